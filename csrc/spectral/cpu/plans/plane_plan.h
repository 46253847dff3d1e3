#pragma once

#include <cstdint>

#include "common/scale.h"
#include "fft/plan.h"

// What a kernel must know beside the pixels; plain structs, since they are read by code of every instruction set.
namespace specops::spectral {

// Where the coefficients of a plane [H, W] are while it is transformed. Columns go first, as pairs of real signals; by
// symmetry ky = 0..H/2 is enough, and these lines along x follow, one per SIMD lane, as [group, W, lane]. For even H
// line 0 is the pair of the real lines ky = 0 (its real part) and ky = H/2 (its imaginary part).
struct Layout {
  int64_t height, width;
  int64_t lanes;
  int64_t lines;   // one per ky, with the pair as one
  int64_t groups;  // ceil(lines / lanes)
  int64_t pitch;   // columns kept per group of lines, >= W
  bool paired;     // H is even
};

// The sums per bin, block by block: a block is some groups of lines, whose values [slot] stay in cache. A chunk adds up
// values of one bin and one weight; a short one is filled up with a slot that holds 0.
template <class T>
struct SumPlan {
  bool folded;     // maps are even in ky: values of kx and W - kx are added, only kx <= W/2 is looked up
  bool long_sums;  // a bin has so many chunks that their sum needs more digits than T has
  int64_t n_bins;
  int64_t n_blocks;
  int64_t groups_per_block;  // for a half plane in memory: values
  int64_t row_slots[2];      // of a paired line 0: kx = 0..W/2 of ky = 0, and of ky = H/2
  int64_t zero_slot;
  int64_t chunk;              // slots per chunk: 1, 2, 4 or 8
  const int64_t* chunk_ends;  // [n_blocks]
  const int32_t* bins;        // [chunks]
  const T* weights;           // [chunks]
  const uint16_t* slots;      // [chunks, chunk]
};

// The gain per coefficient as [group, columns, lane], with the scale of the transforms inside.
template <class T>
struct GainPlan {
  struct Extra {
    int32_t slot;
    int32_t bin;
    T weight;
  };
  bool folded;        // as in SumPlan
  int64_t columns;    // W/2 + 1 if folded, else W
  int64_t row_slots;  // first slot of the line ky = H/2 of a paired line 0
  int64_t n_slots;
  int64_t n_extras;
  const int32_t* bins;  // [n_slots]; n_bins for none
  const T* weights;     // [n_slots]
  const Extra* extras;  // terms of further maps, and second ones of the columns 0 and W/2, which act through means
};

// What becomes of a value before it is summed: times s(q).
template <class T>
struct Scaling {
  PointScale<T> point;
  T times;
};

// Offsets in bytes into the scratch memory of a thread.
struct Scratch {
  int64_t buffers[2], chirped, held, row_zero[2], tile, other_tile, values, totals, lines[2], gains, profile;
  int64_t power_bytes, cross_bytes, filter_bytes;
};

template <class T>
struct PlanePlan {
  Layout layout;
  fft::LinePlan<T> along_x, along_y;
  SumPlan<T> sums;
  GainPlan<T> gains;
  Scratch scratch;
};

}  // namespace specops::spectral
