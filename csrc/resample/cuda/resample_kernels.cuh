#pragma once

#include "common/cuda/launch.cuh"
#include "resample/cuda/factors.cuh"
#include "resample/cuda/tile.cuh"

// upfirdn2d and its transpose: a block makes tiles of outputs one below the other, so that a sample is read once. Along
// y the terms of an output are the same for a whole row, 16 bytes at a time; along x four rows share their terms.
namespace specops::resample {

constexpr int32_t kThreads = 256, kBlocksEach = 3;  // of a block, on a multiprocessor at least
constexpr int32_t kRowsAtOnce = 4;

template <class T>
struct Tile {
  T *samples, *across, *outputs, *weights;  // across: rows that are done along y only
  Window *rows, *columns;
};

template <class T>
SPECOPS_INLINE int32_t in_packs(int32_t n) {
  return (n + Pack<T>::kCount - 1) / Pack<T>::kCount * Pack<T>::kCount;
}

template <class T>
SPECOPS_DEVICE Tile<T> tile_in(const Layout& layout, T* memory) {
  Tile<T> tile;
  tile.samples = memory;
  tile.across = tile.samples + (layout.y.slots + layout.y.extras) * layout.pitch;
  tile.outputs = tile.across + layout.y.tile * layout.pitch;
  tile.weights = tile.outputs + layout.y.tile * layout.out_pitch;
  const int32_t n_weights = larger(layout.y.n_taps * layout.x.n_taps, layout.y.n_taps + layout.x.n_taps);
  tile.rows = reinterpret_cast<Window*>(tile.weights + in_packs<T>(n_weights));
  tile.columns = tile.rows + layout.y.tile;
  return tile;
}

// f [fh, fw] as it is, or as the factors g [fh], h [fw] if it is an outer product; true if it is.
template <class T>
SPECOPS_DEVICE bool load_filter(const Layout& layout, const T* f, const T* factors, T* weights) {
  const int32_t fh = layout.y.n_taps, fw = layout.x.n_taps;
  const bool one_row = fh == 1, one_column = fw == 1;
  const bool separable = one_row || one_column || factors[0] != T(0);
  for (int32_t i = threadIdx.x; i < (separable ? fh + fw : fh * fw); i += blockDim.x) {
    if (!separable) {
      weights[i] = f[i];
    } else if (one_row || one_column) {
      weights[i] = i < fh ? (one_row ? T(1) : f[i]) : (one_row ? f[i - fh] : T(1));
    } else {
      weights[i] = factors[1 + i];
    }
  }
  return separable;
}

// Adds the terms of a column's output to `sums`, one for each of several rows of samples, `pitch` apart.
template <int32_t n_rows, class T>
SPECOPS_DEVICE void add_along_x(const Layout& layout, const Folds& folds, const T* samples, int32_t pitch,
                                const T* taps, const Window& window, int32_t output, T (&sums)[n_rows]) {
  const int32_t inner = 1 << layout.inner_bits, step = tap_step(layout.x);
  const T* at = samples + (window.slot << layout.inner_bits);
  const T* tap = taps + window.tap;
  for (int32_t k = 0; k < window.count; ++k, at += inner, tap += step) {
    for (int32_t r = 0; r < n_rows; ++r) sums[r] += *tap * at[r * pitch];
  }
  if (layout.x.extras == 0) return;
  for (int32_t k = terms_begin(folds, output); k < terms_begin(folds, output + 1); ++k) {
    const int2 fold = term(folds, k);
    at = samples + ((layout.x.slots + fold.x) << layout.inner_bits);
    for (int32_t r = 0; r < n_rows; ++r) sums[r] += taps[fold.y] * at[r * pitch];
  }
}

// Calls f(row of samples, tap) for each term of an output along y.
template <class T, class F>
SPECOPS_DEVICE void for_terms_along_y(const Layout& layout, const Folds& folds, const Tile<T>& tile, int32_t row,
                                      int32_t line, const F& f) {
  const Window window = tile.rows[line];
  int32_t slot = window.slot, tap = window.tap;
  for (int32_t k = 0; k < window.count; ++k, tap += tap_step(layout.y)) {
    f(tile.samples + slot * layout.pitch, tap);
    slot = slot + 1 == layout.y.slots ? 0 : slot + 1;
  }
  if (layout.y.extras == 0) return;
  for (int32_t k = terms_begin(folds, row + line); k < terms_begin(folds, row + line + 1); ++k) {
    const int2 fold = term(folds, k);
    f(tile.samples + (layout.y.slots + fold.x) * layout.pitch, fold.y);
  }
}

template <class T>
SPECOPS_DEVICE void filter_along_y(const Layout& layout, const Place& place, const Folds& folds, const Tile<T>& tile,
                                   int32_t row, int32_t rows) {
  constexpr int32_t count = Pack<T>::kCount;
  const int32_t width = layout.x.extras > 0 ? layout.pitch : in_packs<T>(place.n_slots << layout.inner_bits);
  for_pieces(rows, width / count, [&](int32_t line, int32_t piece) {
    const int32_t element = piece * count;
    Pack<T> sum = {};
    for_terms_along_y(layout, folds, tile, row, line, [&](const T* samples, int32_t tap) {
      const Pack<T> pack = read_pack(samples + element);
      for (int32_t i = 0; i < count; ++i) sum.at[i] += tile.weights[tap] * pack.at[i];
    });
    write_pack(sum, tile.across + line * layout.pitch + element);
  });
}

template <class T>
SPECOPS_DEVICE void filter_along_x(const Layout& layout, const Place& place, const Folds& folds, const Tile<T>& tile,
                                   int32_t rows) {
  const int32_t width = (place.end_column - place.column) << layout.inner_bits;
  const int32_t groups = (rows + kRowsAtOnce - 1) / kRowsAtOnce;
  for_pieces(groups, width, [&](int32_t group, int32_t element) {
    const int32_t line = group * kRowsAtOnce;
    const int32_t column = element >> layout.inner_bits, channel = element - (column << layout.inner_bits);
    T sums[kRowsAtOnce] = {};
    add_along_x(layout, folds, tile.across + line * layout.pitch + channel, layout.pitch,
                tile.weights + layout.y.n_taps, tile.columns[column], place.column + column, sums);
    for (int32_t r = 0; r < kRowsAtOnce; ++r) tile.outputs[(line + r) * layout.out_pitch + element] = sums[r];
  });
}

template <class T>
SPECOPS_DEVICE void filter_along_both(const Layout& layout, const Place& place, const Folds& row_folds,
                                      const Folds& column_folds, const Tile<T>& tile, int32_t row, int32_t rows) {
  const int32_t width = (place.end_column - place.column) << layout.inner_bits;
  for_pieces(rows, width, [&](int32_t line, int32_t element) {
    const int32_t column = element >> layout.inner_bits, channel = element - (column << layout.inner_bits);
    T sums[1] = {};
    for_terms_along_y(layout, row_folds, tile, row, line, [&](const T* samples, int32_t tap) {
      add_along_x(layout, column_folds, samples + channel, 0, tile.weights + tap * layout.x.n_taps,
                  tile.columns[column], place.column + column, sums);
    });
    tile.outputs[line * layout.out_pitch + element] = sums[0];
  });
}

// The windows of the tile's outputs, by slots.
SPECOPS_DEVICE void find_columns(const Layout& layout, const Place& place, Window* columns) {
  for (int32_t i = threadIdx.x; i < place.end_column - place.column; i += blockDim.x) {
    columns[i] = window_of(layout.x, place.column + i);
    columns[i].slot -= place.first_slot;
  }
}

SPECOPS_DEVICE void find_rows(const Layout& layout, int32_t row, int32_t rows, Window* windows) {
  for (int32_t i = threadIdx.x; i < rows; i += blockDim.x) {
    windows[i] = window_of(layout.y, row + i);
    windows[i].slot = floor_mod(windows[i].slot, layout.y.slots);
  }
}

template <class Stored>
__global__ void __launch_bounds__(kThreads, kBlocksEach)
    upfirdn2d_kernel(const Stored* x, const typename Arithmetic<Stored>::Type* f,
                     const typename Arithmetic<Stored>::Type* factors, const int32_t* row_lists,
                     const int32_t* column_lists, Stored* out, Layout layout, int64_t first_block) {
  using T = typename Arithmetic<Stored>::Type;
  SPECOPS_DYN_SMEM(T, memory);
  const Tile<T> tile = tile_in(layout, memory);
  const Place place = place_of<Stored>(layout, first_block + blockIdx.x);
  const Folds row_folds = {row_lists, (layout.y.n_out + layout.y.tile - 1) / layout.y.tile, layout.y.n_out};
  const Folds column_folds = {column_lists, layout.column_tiles, layout.x.n_out};
  const int64_t pixels_in = static_cast<int64_t>(layout.y.n_in) * layout.x.n_in;
  const int64_t pixels_out = static_cast<int64_t>(layout.y.n_out) * layout.x.n_out;
  const Stored* const from = x + place.plane * pixels_in * layout.channels;
  Stored* const to = out + place.plane * pixels_out * layout.channels;
  const bool separable = load_filter(layout, f, factors, tile.weights);
  find_columns(layout, place, tile.columns);
  int32_t row = place.band * layout.steps * layout.y.tile;
  const int32_t end_row = smaller(row + layout.steps * layout.y.tile, layout.y.n_out);
  int32_t loaded = first_sample(layout.y, row);
  for (; row < end_row; row += layout.y.tile) {
    const int32_t rows = smaller(layout.y.tile, end_row - row);
    load_rows<true>(layout, place, from, row_folds, column_folds, row, rows, loaded, tile.samples);
    find_rows(layout, row, rows, tile.rows);
    __syncthreads();
    if (separable) {
      filter_along_y(layout, place, row_folds, tile, row, rows);
      __syncthreads();
      filter_along_x(layout, place, column_folds, tile, rows);
    } else {
      filter_along_both(layout, place, row_folds, column_folds, tile, row, rows);
    }
    __syncthreads();
    store_outputs(layout, place, row, rows, tile.outputs, to);
  }
}

// Which outputs of a tile meet each tap, by slots.
SPECOPS_DEVICE void find_pairs(const TiledAxis& axis, int32_t begin, int32_t end, Pairs* pairs) {
  for (int32_t tap = threadIdx.x; tap < axis.n_taps; tap += blockDim.x) {
    pairs[tap] = pairs_of(axis, tap, begin, end);
    pairs[tap].first -= begin;
  }
}

// Adds to sums [fh, fw] what a tile has to give; a warp per tap, its lanes over columns and channels.
template <class T>
SPECOPS_DEVICE void correlate_tile(const Layout& layout, const T* samples, const T* outputs, const Pairs* row_pairs,
                                   const Pairs* column_pairs, int32_t slot, double* sums) {
  const int32_t shared_y = divisor(layout.y.up, layout.y.down), shared_x = divisor(layout.x.up, layout.x.down);
  const int32_t phases_y = layout.y.up / shared_y, stride_y = layout.y.down / shared_y;
  const int32_t phases_x = layout.x.up / shared_x, stride_x = layout.x.down / shared_x;
  const int32_t lane = threadIdx.x % kWarp, n_taps = layout.y.n_taps * layout.x.n_taps;
  for (int32_t tap = threadIdx.x / kWarp; tap < n_taps; tap += blockDim.x / kWarp) {
    const Pairs rows = row_pairs[tap / layout.x.n_taps], columns = column_pairs[tap % layout.x.n_taps];
    const int32_t first_slot = floor_mod(rows.sample, layout.y.slots);
    T sum = T(0);
    for (int32_t i = lane; i < columns.count << layout.inner_bits; i += kWarp) {
      const int32_t column = i >> layout.inner_bits, channel = i - (column << layout.inner_bits);
      const T* y = outputs + ((columns.first + column * phases_x) << layout.inner_bits) + channel;
      const T* x = samples + ((columns.sample - slot + column * stride_x) << layout.inner_bits) + channel;
      int32_t at = first_slot;
      for (int32_t k = 0; k < rows.count; ++k) {
        sum += y[(rows.first + k * phases_y) * layout.out_pitch] * x[at * layout.pitch];
        at += stride_y;
        while (at >= layout.y.slots) at -= layout.y.slots;
      }
    }
    sum = warp_sum(sum);
    if (lane == 0) sums[tap] += sum;
  }
}

// First stage of the correlation: sums [gridDim.x, fh, fw], each over some planes of one tile column.
template <class Stored>
__global__ void __launch_bounds__(kThreads, kBlocksEach)
    upfirdn2d_filter_correlation_kernel(const Stored* x, const Stored* y, double* sums, Layout layout, int64_t planes) {
  using T = typename Arithmetic<Stored>::Type;
  SPECOPS_DYN_SMEM(double, memory);
  const int32_t n_taps = layout.y.n_taps * layout.x.n_taps;
  double* const block_sums = memory;
  T* const samples = reinterpret_cast<T*>(block_sums + in_packs<double>(n_taps));
  T* const outputs = samples + layout.y.slots * layout.pitch;
  Pairs* const row_pairs = reinterpret_cast<Pairs*>(outputs + layout.y.tile * layout.out_pitch);
  Pairs* const column_pairs = row_pairs + layout.y.n_taps;
  const Place place = place_of<Stored>(layout, blockIdx.x);
  const int64_t groups = gridDim.x / (layout.bands * layout.channel_tiles * layout.column_tiles);
  const int64_t pixels_in = static_cast<int64_t>(layout.y.n_in) * layout.x.n_in;
  const int64_t pixels_out = static_cast<int64_t>(layout.y.n_out) * layout.x.n_out;
  const int32_t first_row = place.band * layout.steps * layout.y.tile;
  const int32_t end_row = smaller(first_row + layout.steps * layout.y.tile, layout.y.n_out);
  for (int32_t i = threadIdx.x; i < n_taps; i += blockDim.x) block_sums[i] = 0;
  find_pairs(layout.x, place.column, place.end_column, column_pairs);
  for (int64_t plane = place.plane; plane < planes; plane += groups) {
    const Stored* const from = x + plane * pixels_in * layout.channels;
    const Stored* const other = y + plane * pixels_out * layout.channels;
    int32_t loaded = first_sample(layout.y, first_row);
    for (int32_t row = first_row; row < end_row; row += layout.y.tile) {
      const int32_t rows = smaller(layout.y.tile, end_row - row);
      load_rows<false>(layout, place, from, Folds{}, Folds{}, row, rows, loaded, samples);
      load_outputs(layout, place, row, rows, other, outputs);
      find_pairs(layout.y, row, row + rows, row_pairs);
      __syncthreads();
      correlate_tile(layout, samples, outputs, row_pairs, column_pairs, place.first_slot, block_sums);
      __syncthreads();
    }
  }
  for (int32_t i = threadIdx.x; i < n_taps; i += blockDim.x) {
    sums[static_cast<int64_t>(blockIdx.x) * n_taps + i] = block_sums[i];
  }
}

// Second stage: out [fh, fw] from sums [n_blocks, fh, fw]; a warp per tap.
template <class T>
__global__ void sum_blocks_kernel(const double* sums, int64_t n_blocks, T* out) {
  double sum = 0;
  for (int64_t block = threadIdx.x; block < n_blocks; block += kWarp) sum += sums[block * gridDim.x + blockIdx.x];
  sum = warp_sum(sum);
  if (threadIdx.x == 0) out[blockIdx.x] = static_cast<T>(sum);
}

}  // namespace specops::resample
