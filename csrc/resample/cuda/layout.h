#pragma once

#include <stdint.h>

#include "resample/axis.h"

// What a launch gets beside images, taps and folds: dataclasses of the same fields in specops/ops/resample/plans.
namespace specops::resample {

struct TiledAxis : Axis<int32_t> {
  int32_t tile;    // outputs of one tile
  int32_t slots;   // samples that a tile holds
  int32_t extras;  // most samples that the folds of one tile need beside these
};

struct Layout {
  TiledAxis y, x;
  int32_t channels;    // elements of a pixel: 1 for planes
  int32_t inner_bits;  // log2 of the channels in a tile
  int32_t channel_tiles;
  int32_t column_tiles;
  int32_t bands;         // runs of steps down a plane, each of one block
  int32_t steps;         // of a band
  int32_t pitch;         // elements between rows of samples in shared memory
  int32_t out_pitch;     // and between rows of outputs
  int32_t load_vectors;  // whether inputs, whether outputs are read and written 16 bytes at a time
  int32_t store_vectors;
};

struct Launch {
  int64_t pixel;  // enum Pixel
  int64_t planes;
  int64_t blocks;
  int64_t threads;
  int64_t shared_bytes;
  int64_t outer;  // whether the filter is the outer product of its taps, which are 1-D, times a gain
};

}  // namespace specops::resample
