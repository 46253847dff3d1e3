#pragma once

#include <cstdint>

#include "common/macros.h"
#include "common/pixel.h"

// What a resampling kernel must know beside the pixels; plain structs, since they are read by code of every instruction
// set. An operator (upfirdn2d or its transpose) acts along y, then along x, without inserted zeros: each output is a
// sum over those taps of the filter that meet a sample.
namespace specops::resample {

// A sample of the input and the tap that multiplies it.
struct Term {
  int64_t source, tap;
};

// Terms of an output row that have the sources of the next row's first ones: `count` of them, from `lag` on. None where
// the next row had better be paired with the one after it.
struct Shared {
  int64_t lag, count;
};

// The terms of each output row, one list after the other.
struct Rows {
  const int64_t* ends;  // [n_out]
  const Term* terms;
  const Shared* shared;  // [n_out]
  int64_t longest;       // terms of one row

  SPECOPS_MEMBER int64_t count(int64_t row) const { return ends[row] - (row == 0 ? 0 : ends[row - 1]); }
};

// From one place of a row to another.
struct Move {
  int64_t to, from;
};

// Along x, output phases·i + r is the sum over the taps of phase r of tap · line[shift + stride·i]. The line is the
// part of the row that is needed, as extended by the boundary.
struct Columns {
  int64_t phases, stride;
  int64_t n_out, n_line;
  int64_t read_begin, read_end;  // samples of the row that are needed
  int64_t read_to;               // where in the line they go
  int64_t n_copies;              // inside the line: samples beyond the row
  int64_t n_taps;
  const int64_t* ends;    // [phases] into the two that follow
  const int64_t* taps;    // [n_taps] of the filter
  const int64_t* shifts;  // [n_taps], rising in each phase
  // In a transpose, what lies beyond the image is added to where the boundary took it from: the last n_folds taps are
  // none of a phase and add line[shift] to these outputs.
  const int64_t* folds;
  int64_t n_folds;
};

// Sizes of the memory of one thread, in elements; vectors may run beyond the end of each buffer by their length.
struct Buffers {
  int64_t slots, slot;  // extended rows, dealt out by stride
  int64_t dealt_pitch;  // 0 if they are left as they are
  int64_t line;         // a row before it is dealt out
  int64_t phase;        // each phase of an output row
  int64_t phase_pitch;
  int64_t out;  // output rows
  int64_t out_pitch;
  int64_t lanes;        // partial sums of a correlation
  int64_t pixel_bytes;  // all of these
  int64_t bytes;
};

constexpr int64_t kWidestVector = 64;  // bytes
constexpr int64_t kStages = 2;         // output rows at a time, where the filter is an outer product: a slot for each

// Which pixel of a vector goes to a lane, -1: none; an integer as wide as T.
template <class T>
struct LaneOf {
  using type = int32_t;
};
template <>
struct LaneOf<double> {
  using type = int64_t;
};

constexpr int64_t kPlacesBefore = 6, kPlaces = 14;  // per stride, of the taps of fused passes

// Both passes of an outer product in one, for a few taps near to each other and (phases, stride) = (1, 1), (2, 1) or
// (1, 2). The line, which is the sum of input rows, is a sequence of vectors; vector 0 begins at sample `begin` of the
// row. Output phases·i + r is the sum over the places p of phase r of weight · line[begin + stride·(i - kPlacesBefore)
// + p]. Vectors that lie inside the row are summed from there; the others are made of its first and last vector.
template <class T>
struct Fused {
  bool serves;
  int64_t row_size;
  int64_t begin;
  int64_t first, end;                     // vectors; those before and after are zeros
  int64_t inside_begin, inside_end;       // of which these lie inside the row
  const typename LaneOf<T>::type* edges;  // [others, 2, L], lanes of the first and the last vector
  bool uses_first, uses_last;
  uint32_t places[2];           // of each phase, a bit for each
  const T* weights;             // [phases, stride · kPlaces]
  const int64_t* fold_samples;  // [n_folds] in the first and last vector, [2 L]
};

template <class T>
struct Operator {
  Rows rows;
  Columns columns;
  Buffers buffers;
  const int64_t* row_offsets;  // of each term's row, in elements from the plane
  const T* row_weights;        // of each term, where the filter is an outer product; else null
  const T* weights;            // [1, n_taps] where the filter is an outer product; else [fh, n_taps]
  const int64_t* offsets;      // [n_taps], of each tap in a slot
  const Move* copies;          // [n_copies], in elements of a slot
  Fused<T> fused;
  bool past_caches;  // fused passes write there: the output is large, its rows are whole cache lines
  int64_t fh;
  int64_t inner;  // elements per pixel: channels that lie side by side, or 1
};

// The kernels of one instruction set.
template <class T>
struct Kernels {
  int64_t lanes;

  // Output rows [begin, end) of a plane; plane and out in pixels of this type, out contiguous.
  void (*rows)(const Operator<T>& op, Pixel type, const void* plane, int64_t begin, int64_t end, void* out,
               char* scratch);

  // sums [fh, n_taps] += sums over the output rows [begin, end) of y · the sample that a tap multiplies
  void (*correlate)(const Operator<T>& op, Pixel type, const void* x, const void* y, int64_t y_row, int64_t begin,
                    int64_t end, double* sums, char* scratch);
};

// Those of the instruction set in use, for float and double: isa/engines.cpp has them.
template <class T>
const Kernels<T>& kernels();

}  // namespace specops::resample
