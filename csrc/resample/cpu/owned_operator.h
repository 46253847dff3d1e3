#pragma once

#include <algorithm>
#include <cstring>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "resample/axis.h"
#include "resample/cpu/kernels.h"
#include "resample/cpu/operator.h"

namespace specops::resample {

// Taps as they are given, of a filter [fh, fw] or, `outer`, along both axes; and the factor on the filter.
template <class T>
struct Taps {
  const T* first;
  int64_t count;
  bool outer;
  T gain;
};

// What an Operator points to; of a correlation without taps.
template <class T>
class OwnedOperator {
 public:
  OwnedOperator(const Axis<int64_t>& along_y, const Axis<int64_t>& along_x, bool transposed, const Taps<T>* taps,
                int64_t row_stride, int64_t inner)
      : rows_(rows_of(along_y, transposed)), columns_(columns_of(along_x, transposed)) {
    op_.rows = rows_.view();
    op_.columns = columns_.view();
    op_.inner = inner;
    op_.fh = along_y.n_taps;
    for (const Term& term : rows_.terms) row_offsets_.push_back(term.source * row_stride);
    if (taps != nullptr) take_taps(*taps, along_y.n_taps, along_x.n_taps);
    size_buffers(taps == nullptr);
    if (!row_weights_.empty() && inner == 1) {
      fused_ = fused_of(columns_, transposed ? along_x.n_out : along_x.n_in, weights_, kernels<T>().lanes);
      op_.fused = fused_.view();
    }
    op_.row_offsets = row_offsets_.data();
    op_.row_weights = row_weights_.empty() ? nullptr : row_weights_.data();
    op_.weights = weights_.data();
    op_.offsets = offsets_.data();
    op_.copies = copies_.data();
  }

  OwnedOperator(const OwnedOperator&) = delete;
  OwnedOperator& operator=(const OwnedOperator&) = delete;

  const Operator<T>& view() const { return op_; }
  const std::vector<int64_t>& taps() const { return columns_.taps; }

 private:
  void take_taps(const Taps<T>& taps, int64_t fh, int64_t fw) {
    std::vector<T> filter(taps.first, taps.first + taps.count), along_x = filter, along_y;
    for (T& tap : filter) tap *= taps.gain;
    if (taps.outer) along_y = filter;
    const T* weights = filter.data();
    if (taps.outer || factored(weights, fh, fw, along_y, along_x)) {
      for (const Term& term : rows_.terms) row_weights_.push_back(along_y[term.tap]);
      fh = 1;
      weights = along_x.data();
    }
    for (int64_t i = 0; i < fh; ++i) {
      for (const int64_t tap : columns_.taps) weights_.push_back(weights[i * fw + tap]);
    }
  }

  void size_buffers(bool correlation) {
    const Columns& columns = op_.columns;
    Buffers& sizes = op_.buffers;
    constexpr int64_t lanes = kWidestVector / sizeof(T), room = 2 * lanes;
    const auto with_room = [](int64_t n) { return (n + 2 * room - 1) / room * room; };
    const bool dealt = op_.inner == 1 && columns.stride > 1, separable = !row_weights_.empty();
    sizes.dealt_pitch = dealt ? with_room((columns.n_line + columns.stride - 1) / columns.stride) : 0;
    sizes.line = dealt ? with_room(columns.n_line + columns.stride * lanes) : 0;
    sizes.slot = dealt ? columns.stride * sizes.dealt_pitch : with_room(columns.n_line * op_.inner);
    sizes.out_pitch = with_room(columns.n_out * op_.inner + columns.phases * lanes);
    sizes.slots = separable ? kStages : op_.rows.longest;
    sizes.phase_pitch = with_room((columns.n_out + columns.phases - 1) / columns.phases);
    sizes.phase = columns.phases * sizes.phase_pitch;
    sizes.out = kStages * sizes.out_pitch;
    sizes.lanes = correlation ? op_.fh * columns.n_taps * lanes : 0;
    const int64_t pixels = sizes.slots * sizes.slot + sizes.line + sizes.phase + sizes.out + sizes.lanes;
    sizes.pixel_bytes = pixels * static_cast<int64_t>(sizeof(T));
    const int64_t n_sums = sizes.slots * columns.n_taps;
    constexpr int64_t pair_bytes = 4 * sizeof(int64_t);  // at most
    sizes.bytes = sizes.pixel_bytes +
                  (3 * sizes.slots + columns.phases + n_sums) * static_cast<int64_t>(sizeof(int64_t)) +
                  n_sums * (static_cast<int64_t>(sizeof(T)) + pair_bytes);
    const auto place = [&](int64_t sample) {
      return dealt ? sample % columns.stride * sizes.dealt_pitch + sample / columns.stride : sample * op_.inner;
    };
    for (const int64_t shift : columns_.shifts) offsets_.push_back(place(shift));
    for (const Move& copy : columns_.copies) copies_.push_back({place(copy.to), place(copy.from)});
  }

  RowsOwner rows_;
  ColumnsOwner columns_;
  std::vector<int64_t> row_offsets_, offsets_;
  std::vector<Move> copies_;
  std::vector<T> row_weights_, weights_;
  FusedOwner<T> fused_;
  Operator<T> op_ = {};
};

inline bool is_same(const Axis<int64_t>& a, const Axis<int64_t>& b) {
  return a.n_in == b.n_in && a.n_out == b.n_out && a.n_taps == b.n_taps && a.up == b.up && a.down == b.down &&
         a.before == b.before && a.reversed == b.reversed && a.boundary == b.boundary;
}

// An operator for these arguments, kept for later calls of this thread: to build one takes as long as to resample a
// small image.
template <class T>
std::shared_ptr<const OwnedOperator<T>> cached_operator(const Axis<int64_t>& along_y, const Axis<int64_t>& along_x,
                                                        bool transposed, const Taps<T>& taps, int64_t row_stride,
                                                        int64_t inner) {
  struct Entry {
    Axis<int64_t> along_y, along_x;
    bool transposed, outer;
    T gain;
    int64_t row_stride, inner;
    std::vector<T> taps;
    std::shared_ptr<const OwnedOperator<T>> op;
  };
  constexpr size_t kMostKept = 16;
  static thread_local std::list<Entry> entries;
  const auto fits = [&](const Entry& entry) {
    return entry.transposed == transposed && entry.row_stride == row_stride && entry.inner == inner &&
           is_same(entry.along_y, along_y) && is_same(entry.along_x, along_x) && entry.outer == taps.outer &&
           std::memcmp(&entry.gain, &taps.gain, sizeof(T)) == 0 &&
           std::memcmp(entry.taps.data(), taps.first, taps.count * sizeof(T)) == 0;
  };
  const auto found = std::find_if(entries.begin(), entries.end(), fits);
  if (found == entries.end()) {
    auto made = std::make_shared<const OwnedOperator<T>>(along_y, along_x, transposed, &taps, row_stride, inner);
    std::vector<T> own(taps.first, taps.first + taps.count);
    entries.push_front(
        {along_y, along_x, transposed, taps.outer, taps.gain, row_stride, inner, std::move(own), std::move(made)});
    if (entries.size() > kMostKept) entries.pop_back();
  } else {
    entries.splice(entries.begin(), entries, found);
  }
  return entries.front().op;
}

}  // namespace specops::resample
