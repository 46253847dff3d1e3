#pragma once

#include "common/macros.h"

// Which samples and which taps make an output, along one axis; shared by C++ and CUDA.
namespace specops::resample {

// How an axis goes on beyond its ends.
enum class Boundary : int32_t { kZeros, kReflect, kReplicate, kCircular };

// Output o is the sum over those samples s with 0 <= s·up - (o·down - before) < n_taps of sample · tap. The tap is that
// distance, or where `reversed` it counts from the last one. Samples outside [0, n_in) come from the boundary. A
// transpose is an operator of this kind too, but for what the boundary took from inside the image: those terms are
// folds, in lists.
template <class Int>
struct Axis {
  Int n_in, n_out;
  Int n_taps, up, down, before;
  Int reversed;
  Boundary boundary;
};

// For b > 0.
template <class Int>
SPECOPS_INLINE Int floor_div(Int a, Int b) {
  return a / b - (a % b < 0);
}

template <class Int>
SPECOPS_INLINE Int ceil_div(Int a, Int b) {
  return a / b + (a % b > 0);
}

template <class Int>
SPECOPS_INLINE Int floor_mod(Int a, Int b) {
  const Int rest = a % b;
  return rest < 0 ? rest + b : rest;
}

// Which of the n_in samples stands at a position of the extended axis; -1 is a zero.
template <class Int>
SPECOPS_INLINE Int source_of(const Axis<Int>& axis, Int sample) {
  if (sample >= 0 && sample < axis.n_in) return sample;
  if (axis.boundary == Boundary::kZeros) return -1;
  if (axis.boundary == Boundary::kReplicate) return sample < 0 ? 0 : axis.n_in - 1;
  if (axis.boundary == Boundary::kCircular || axis.n_in == 1) return floor_mod(sample, axis.n_in);
  const Int period = 2 * (axis.n_in - 1), at = floor_mod(sample, period);
  return at < period - at ? at : period - at;
}

// The boundary rule up to one period beyond the ends, without divisions: there, position s is sample direction · s +
// below, or + above; a zero if that is outside too.
template <class Int>
struct Extension {
  Int direction, below, above;
};

template <class Int>
SPECOPS_INLINE Extension<Int> extension_of(const Axis<Int>& axis) {
  const Int last = axis.n_in - 1;
  if (axis.boundary == Boundary::kReflect) return {-1, 0, 2 * last};
  if (axis.boundary == Boundary::kReplicate) return {0, 0, last};
  if (axis.boundary == Boundary::kCircular) return {1, axis.n_in, -axis.n_in};
  return {0, -1, -1};
}

template <class Int>
SPECOPS_INLINE Int first_sample(const Axis<Int>& axis, Int output) {
  return ceil_div(output * axis.down - axis.before, axis.up);
}

// One beyond the last sample of an output; first_sample where it has none.
template <class Int>
SPECOPS_INLINE Int end_sample(const Axis<Int>& axis, Int output) {
  return ceil_div(output * axis.down - axis.before + axis.n_taps, axis.up);
}

// The tap of a sample of an output.
template <class Int>
SPECOPS_INLINE Int tap_of(const Axis<Int>& axis, Int output, Int sample) {
  const Int distance = sample * axis.up - (output * axis.down - axis.before);
  return axis.reversed ? axis.n_taps - 1 - distance : distance;
}

}  // namespace specops::resample
