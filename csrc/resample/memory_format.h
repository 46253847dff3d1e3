#pragma once

#include <array>

#include "common/tensor.h"

// Results of resampling have the memory format of the images.
namespace specops {

// Strides of images [N, C, H, W] whose channels lie side by side.
inline std::array<int64_t, 4> channels_last_strides(const Ints& sizes) {
  return {sizes[1] * sizes[2] * sizes[3], 1, sizes[1] * sizes[3], sizes[1]};
}

// Whether the channels of a pixel of x [N, C, H, W] lie side by side, without gaps; not where x is also contiguous.
inline bool is_channels_last(const Tensor& x) {
  if (x.dim() != 4 || x.is_contiguous()) return false;
  const auto strides = channels_last_strides(x.sizes());
  for (int64_t d = 0; d < 4; ++d) {
    if (x.size(d) != 1 && x.stride(d) != strides[d]) return false;
  }
  return true;
}

// Images of another size, channels_last where x is.
inline Tensor empty_as(const Tensor& x, const Ints& sizes, const Device& device) {
  if (!is_channels_last(x)) return empty(sizes, x.type(), device);
  const auto strides = channels_last_strides(sizes);
  return empty_strided(sizes, {strides.data(), 4}, x.type(), device);
}

}  // namespace specops
