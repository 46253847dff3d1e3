#pragma once

// The range of values that a band swap folds and clips to.

#include "common/cuda/launch.cuh"
#include "common/coefficient.h"

namespace specops::spectral {

template <class T>
struct Range {
  T low, high;
};

template <class T>
SPECOPS_DEVICE T in_range(T u, Range<T> range) {
  return clipped(folded(u, range.low), range.high);
}

// Of in_range over u; 0 where it is clipped, and where u is no number.
template <class T>
SPECOPS_DEVICE int8_t slope_of(T u, Range<T> range) {
  return folded(u, range.low) <= range.high ? static_cast<int8_t>((u > range.low) - (u < range.low)) : int8_t{0};
}

}  // namespace specops::spectral
