#pragma once

#include <vector>

#include "common/checks.h"
#include "common/tensor.h"
#include "simd/image.h"

namespace specops {

// The planes [H, W] of a tensor of any strides, one after the other. Where those of neighbouring channels lie pixel by
// pixel side by side (channels_last), `lanes` of them are read at once and kept in `parted`: one alone would use a few
// bytes of every cache line.
template <class T>
class Planes {
 public:
  // How much `parted` must hold, 0 if nothing will be parted.
  static int64_t parted_size(const Tensor& x, const Parting<T>& parting) {
    constexpr int64_t kMostBytes = int64_t{1} << 22;
    if (x.dim() < 3 || x.stride(-3) != 1 || x.stride(-2) == 1 || x.stride(-1) == 1) return 0;
    const int64_t size = parting.lanes * x.size(-2) * x.size(-1);
    const bool fits = size * static_cast<int64_t>(sizeof(T)) <= kMostBytes;
    return fits && x.size(-1) >= parting.lanes && x.size(-3) >= parting.lanes ? size : 0;
  }

  // From `plane` on, of which at most `count` will be asked for.
  Planes(const Tensor& x, int64_t plane, int64_t count, const Parting<T>& parting, T* parted)
      : parting_(parting),
        parted_(parted_size(x, parting) > 0 ? parted : nullptr),
        left_(count),
        pixels_(x.data<char>()),
        item_(x.element_size()),
        type_(pixel_type(x.type())),
        sizes_(x.sizes()),
        strides_(x.strides()),
        at_(x.dim() - 2, 0) {
    for (int64_t d = last(); d >= 0; plane /= sizes_[d], --d) at_[d] = plane % sizes_[d];
    for (int64_t d = last(); d >= 0; --d) offset_ += at_[d] * strides_[d];
  }

  // Returns this plane and goes on to the next; after the last comes the first.
  Image next() {
    const int64_t height = sizes_[last() + 1], width = sizes_[last() + 2];
    if (parted_ != nullptr && n_parted_ == 0 && left_ >= parting_.lanes &&
        sizes_[last()] - at_[last()] >= parting_.lanes) {
      parting_.part(here(), height, width, parted_);
      n_parted_ = parting_.lanes;
    }
    Image plane = here();
    step();
    plane.to_next = offset_ - plane.to_next;
    --left_;
    if (n_parted_ == 0) return plane;
    const T* pixels = parted_ + (parting_.lanes - n_parted_) * height * width;
    --n_parted_;
    return {pixels, sizeof(T) == 4 ? Pixel::kFloat : Pixel::kDouble, width, 1, n_parted_ > 0 ? height * width : 0};
  }

 private:
  int64_t last() const { return static_cast<int64_t>(sizes_.size()) - 3; }

  // With the offset in the place of to_next.
  Image here() const { return {pixels_ + offset_ * item_, type_, strides_[last() + 1], strides_[last() + 2], offset_}; }

  void step() {
    for (int64_t d = last(); d >= 0; --d) {
      offset_ += strides_[d];
      if (++at_[d] < sizes_[d]) return;
      offset_ -= at_[d] * strides_[d];
      at_[d] = 0;
    }
  }

  const Parting<T>& parting_;
  T* parted_;
  int64_t n_parted_ = 0;  // parted, not yet returned
  int64_t left_;
  const char* pixels_;
  int64_t item_;
  Pixel type_;
  Ints sizes_, strides_;
  std::vector<int64_t> at_;
  int64_t offset_ = 0;
};

}  // namespace specops
