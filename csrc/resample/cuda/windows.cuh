#pragma once

#include <stdint.h>

#include "common/macros.h"

// Which terms make an output, along one axis; shared by all resampling kernels of the GPU.
namespace specops::resample {

enum BoundaryCode : int32_t { kZerosBeyond, kReflected, kReplicated, kCircular };

// Output o is the sum over those samples s with 0 <= s·up - (o·down - before) < taps of sample · tap, where the tap is
// that distance, or counts down from the last one. Samples outside [0, n_in) come from the boundary. A transpose is an
// operator of this kind too, but for what the boundary took from inside the image: those terms are folds, in lists.
struct Axis {
  int32_t n_in, n_out;
  int32_t taps, up, down, before;
  int32_t reversed;
  int32_t boundary;
  int32_t tile;    // outputs of one tile
  int32_t slots;   // samples that a tile holds
  int32_t extras;  // most samples that the folds of one tile need beside these
};

// The terms of one output: `count` samples from `slot` on, taps from `tap` on in steps of tap_step.
struct Window {
  int32_t slot, tap, count;
};

SPECOPS_INLINE int32_t floor_div(int32_t a, int32_t b) { return a / b - (a % b < 0); }

SPECOPS_INLINE int32_t ceil_div(int32_t a, int32_t b) { return a / b + (a % b > 0); }

SPECOPS_INLINE int32_t floor_mod(int32_t a, int32_t b) {
  const int32_t rest = a % b;
  return rest < 0 ? rest + b : rest;
}

SPECOPS_INLINE int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

SPECOPS_INLINE int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

SPECOPS_INLINE int32_t first_sample(const Axis& axis, int32_t output) {
  return ceil_div(output * axis.down - axis.before, axis.up);
}

// One beyond the last sample of an output; first_sample where it has none.
SPECOPS_INLINE int32_t end_sample(const Axis& axis, int32_t output) {
  return ceil_div(output * axis.down - axis.before + axis.taps, axis.up);
}

// False for a sample between the windows of all outputs: such are not read.
SPECOPS_INLINE bool in_a_window(const Axis& axis, int32_t sample) {
  return axis.down <= axis.taps || floor_mod(sample * axis.up + axis.before, axis.down) < axis.taps;
}

SPECOPS_INLINE Window window_of(const Axis& axis, int32_t output) {
  const int32_t first = first_sample(axis, output);
  const int32_t distance = first * axis.up - (output * axis.down - axis.before);
  return {first, axis.reversed ? axis.taps - 1 - distance : distance, end_sample(axis, output) - first};
}

SPECOPS_INLINE int32_t tap_step(const Axis& axis) { return axis.reversed ? -axis.up : axis.up; }

// Which of the n_in samples stands at a position of the extended axis; -1 is a zero.
SPECOPS_INLINE int32_t source_of(const Axis& axis, int32_t sample) {
  if (sample >= 0 && sample < axis.n_in) return sample;
  if (axis.boundary == kZerosBeyond) return -1;
  if (axis.boundary == kReplicated) return sample < 0 ? 0 : axis.n_in - 1;
  if (axis.boundary == kCircular || axis.n_in == 1) return floor_mod(sample, axis.n_in);
  const int32_t period = 2 * (axis.n_in - 1), at = floor_mod(sample, period);
  return smaller(at, period - at);
}

// The outputs of [begin, end) that a tap adds a sample to: `first`, first + step, ... (count of them), and the sample
// of the first one, which moves on by `stride`.
struct Pairs {
  int32_t first, sample, count;
};

SPECOPS_INLINE int32_t divisor(int32_t a, int32_t b) {
  while (b != 0) {
    const int32_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

SPECOPS_INLINE Pairs pairs_of(const Axis& axis, int32_t tap, int32_t begin, int32_t end) {
  const int32_t phases = axis.up / divisor(axis.up, axis.down);
  const int32_t distance = axis.reversed ? axis.taps - 1 - tap : tap;
  for (int32_t output = begin; output < smaller(end, begin + phases); ++output) {
    const int32_t at = output * axis.down - axis.before + distance;
    if (at % axis.up == 0) return {output, at / axis.up, (end - 1 - output) / phases + 1};
  }
  return {begin, 0, 0};
}

}  // namespace specops::resample
