#pragma once

#include <stdint.h>

#include "resample/cuda/layout.h"

// Which terms make an output, as the resampling kernels of the GPU go through them.
namespace specops::resample {

// The terms of one output: `count` samples from `slot` on, taps from `tap` on in steps of tap_step.
struct Window {
  int32_t slot, tap, count;
};

SPECOPS_INLINE int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

SPECOPS_INLINE int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

// False for a sample between the windows of all outputs: such are not read.
SPECOPS_INLINE bool in_a_window(const TiledAxis& axis, int32_t sample) {
  return axis.down <= axis.n_taps || floor_mod(sample * axis.up + axis.before, axis.down) < axis.n_taps;
}

SPECOPS_INLINE Window window_of(const TiledAxis& axis, int32_t output) {
  const int32_t first = first_sample(axis, output);
  return {first, tap_of(axis, output, first), end_sample(axis, output) - first};
}

SPECOPS_INLINE int32_t tap_step(const TiledAxis& axis) { return axis.reversed ? -axis.up : axis.up; }

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

SPECOPS_INLINE Pairs pairs_of(const TiledAxis& axis, int32_t tap, int32_t begin, int32_t end) {
  const int32_t phases = axis.up / divisor(axis.up, axis.down);
  const int32_t distance = axis.reversed ? axis.n_taps - 1 - tap : tap;
  for (int32_t output = begin; output < smaller(end, begin + phases); ++output) {
    const int32_t at = output * axis.down - axis.before + distance;
    if (at % axis.up == 0) return {output, at / axis.up, (end - 1 - output) / phases + 1};
  }
  return {begin, 0, 0};
}

}  // namespace specops::resample
