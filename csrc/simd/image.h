#pragma once

#include <cstdint>

#include "common/pixel.h"

namespace specops {

// A plane [H, W] of pixels; strides in elements.
struct Image {
  const void* pixels;
  Pixel type;
  int64_t row_stride, column_stride;
  int64_t to_next;                // from here to the plane that comes after, or 0: it is prefetched
  const int8_t* slope = nullptr;  // what the pixels are to be multiplied by, [H, W] contiguous, unless nullptr
};

// How planes of as many images as a vector has lanes are made at once.
template <class T>
struct Parting {
  int64_t lanes;
  // planes [lanes, H, W] of T, from images that lie side by side, x that of the first; W >= lanes
  void (*part)(const Image& x, int64_t height, int64_t width, T* planes);
};

}  // namespace specops
