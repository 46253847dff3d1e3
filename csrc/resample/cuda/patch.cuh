#pragma once

#include <type_traits>

#include "common/cuda/launch.cuh"
#include "resample/cuda/tile.cuh"

// upfirdn2d and its transpose where both axes have the same factors and taps, known at compile time. A thread makes 16
// bytes of each output row of a band: it reads the samples that these need straight from the image, row by row, and
// keeps the sums of the output rows that are open. Its neighbours read some of them too: from the first-level cache.
namespace specops::resample {

constexpr int32_t kPatchThreads = 128;

template <class Element, int32_t up, int32_t down, int32_t taps>
struct Patch {
  static_assert(taps % up == 0 && taps % down == 0 && (up == 1 || down == 1),
                "each row of samples completes as many output rows");
  using Stored = Element;
  static constexpr int32_t kUp = up, kDown = down, kTaps = taps;
  static constexpr int32_t kOutputs = Pack<Stored>::kCount;
  static constexpr int32_t kSamples = ((kOutputs - 1) * down + taps - 1) / up + 1;  // of a row, at most
  static constexpr int32_t kFresh = kOutputs * down / up;                           // not the left neighbour's
  static constexpr int32_t kAtOnce = kFresh < 4 ? kFresh : 4;                       // samples of one access
  static constexpr int32_t kLoaded = (kSamples + 2 * (kAtOnce - 1)) / kAtOnce * kAtOnce;
  // Output rows that a row of samples has terms of. Each down rows of samples complete `up` of them.
  static constexpr int32_t kOpen = taps / down;
  static constexpr bool kAhead = down == 1;  // whether registers hold samples beside those that are being added
  // On a multiprocessor at least: as many as ptxas finds registers for without spilling.
  static constexpr int32_t kBlocksEach = (taps == 12 ? 2 : 4) + (sizeof(Stored) == 4);
};

// The share of a thread: kOutputs columns of the output rows [row, end_row).
struct Strip {
  int64_t plane;
  int32_t column, row, end_row;
};

SPECOPS_DEVICE bool in_image(const TiledAxis& axis, int32_t sample) { return sample >= 0 && sample < axis.n_in; }

SPECOPS_DEVICE Strip strip_of(const Layout& layout, int64_t block) {
  const int64_t first = block * kPatchThreads;
  const int32_t in_plane = layout.column_tiles * layout.bands;
  const int64_t plane = first / in_plane;
  const int32_t strip = static_cast<int32_t>(first - plane * in_plane) + threadIdx.x;
  const int32_t band = strip / layout.column_tiles, planes = band / layout.bands;
  Strip found;
  found.plane = plane + planes;
  found.column = (strip - band * layout.column_tiles) * layout.x.tile;
  found.row = (band - planes * layout.bands) * layout.y.tile;
  found.end_row = smaller(found.row + layout.y.tile, layout.y.n_out);
  return found;
}

// Along y by the distance of the sample, along x [terms, phases]: two factors of an outer product, which is true of
// it, or all taps.
template <class P>
SPECOPS_DEVICE bool load_taps(const Layout& layout, const float* f, const float* factors, float* taps) {
  const bool separable = factors[0] != 0;
  for (int32_t i = threadIdx.x; i < (separable ? 2 : P::kTaps) * P::kTaps; i += kPatchThreads) {
    const int32_t line = i / P::kTaps, place = i % P::kTaps;
    const int32_t distance = separable ? place : line, row = layout.y.reversed ? P::kTaps - 1 - distance : distance;
    const int32_t column = window_of(layout.x, place % P::kUp).tap + place / P::kUp * tap_step(layout.x);
    taps[i] = separable ? factors[1 + (line == 0 ? row : P::kTaps + column)] : f[row * P::kTaps + column];
  }
  return separable;
}

template <class P>
struct Line {
  typename P::Stored at[P::kLoaded];
};

// As many rows of samples as complete output rows.
template <class P>
struct Lines {
  Line<P> at[P::kDown];
};

SPECOPS_DEVICE int32_t source_of(const TiledAxis& axis, const Extension<int32_t>& extension, int32_t sample) {
  const int32_t outside = extension.direction * sample + (sample < 0 ? extension.below : extension.above);
  return in_image(axis, sample) ? sample : outside;
}

// The samples from `first` on, a multiple of kAtOnce, of one row.
template <class P>
SPECOPS_DEVICE Line<P> load_line(const Layout& layout, const typename P::Stored* row, int32_t first, bool in_vectors) {
  using Bits = std::conditional_t<sizeof(typename P::Stored) * P::kAtOnce == 16, uint4, uint2>;
  Line<P> line = {};
  if (in_vectors) {
#pragma unroll
    for (int32_t i = 0; i < P::kLoaded; i += P::kAtOnce) {
      if (!in_image(layout.x, first + i)) continue;
      const Bits bits = __ldg(reinterpret_cast<const Bits*>(row + first + i));
      memcpy(line.at + i, &bits, sizeof bits);
    }
  } else {
    const Extension<int32_t> extension = extension_of(layout.x);
#pragma unroll
    for (int32_t i = 0; i < P::kLoaded; ++i) {
      const int32_t source = source_of(layout.x, extension, first + i);
      if (in_image(layout.x, source)) line.at[i] = __ldg(row + source);
    }
  }
  return line;
}

// The samples that outputs of each phase along x begin with.
template <class P>
struct Windows {
  float at[P::kUp][P::kSamples];
};

template <class P>
SPECOPS_DEVICE Windows<P> windows_of(const Line<P>& line, int32_t offset, bool later) {
  float samples[P::kLoaded];
#pragma unroll
  for (int32_t i = 0; i < P::kLoaded; ++i) samples[i] = widened(line.at[i]);
#pragma unroll
  for (int32_t by = 1; by < P::kAtOnce; by *= 2) {
#pragma unroll
    for (int32_t i = 0; i + by < P::kLoaded; ++i) samples[i] = offset & by ? samples[i + by] : samples[i];
  }
  Windows<P> windows;
#pragma unroll
  for (int32_t i = 0; i < P::kSamples; ++i) {
    windows.at[0][i] = samples[i];
    if (P::kUp == 2) windows.at[P::kUp - 1][i] = later && i + 1 < P::kSamples ? samples[i + 1] : samples[i];
  }
  return windows;
}

template <class P>
SPECOPS_DEVICE void add_along_x(const Windows<P>& windows, const float* taps, float (&sums)[P::kOutputs]) {
#pragma unroll
  for (int32_t k = 0; k < P::kTaps / P::kUp; ++k) {
#pragma unroll
    for (int32_t i = 0; i < P::kOutputs; ++i) {
      sums[i] += taps[k * P::kUp + i % P::kUp] * windows.at[i % P::kUp][i / P::kUp * P::kDown + k];
    }
  }
}

template <class P>
SPECOPS_DEVICE void store_sums(const Layout& layout, const float (&sums)[P::kOutputs], int32_t column,
                               typename P::Stored* row) {
  Pack<typename P::Stored> pack;
#pragma unroll
  for (int32_t i = 0; i < P::kOutputs; ++i) narrow(sums[i], pack.at[i]);
  if (layout.store_vectors) {
    write_pack(pack, row + column);
    return;
  }
#pragma unroll
  for (int32_t i = 0; i < P::kOutputs; ++i) {
    if (column + i < layout.x.n_out) row[column + i] = pack.at[i];
  }
}

// Where a thread's samples are: columns from `first` on, a multiple of kAtOnce, of rows up to `end`.
template <class P>
struct Source {
  const typename P::Stored* plane;
  Extension<int32_t> rows;
  int32_t end, first;
  bool in_vectors;
};

template <class P>
SPECOPS_DEVICE Lines<P> load_lines(const Layout& layout, const Source<P>& x, int32_t sample) {
  Lines<P> lines = {};
#pragma unroll
  for (int32_t r = 0; r < P::kDown; ++r) {
    const int32_t row = source_of(layout.y, x.rows, sample + r);
    if (sample + r >= x.end || !in_image(layout.y, row)) continue;
    lines.at[r] = load_line<P>(layout, x.plane + static_cast<int64_t>(row) * layout.x.n_in, x.first, x.in_vectors);
  }
  return lines;
}

// Adds the terms of the r-th row of samples of some that complete output rows.
template <class P>
SPECOPS_DEVICE void add_line(const Windows<P>& windows, int32_t r, const float* taps, bool separable,
                             float (&sums)[P::kOpen][P::kOutputs]) {
  const int32_t farthest = P::kDown * (P::kOpen - 1) + r;
  if (!separable) {
#pragma unroll
    for (int32_t open = 0; open < P::kOpen; ++open) {
      const int32_t distance = farthest - P::kDown * open;
      add_along_x<P>(windows, taps + distance * P::kTaps, sums[open]);
    }
    return;
  }
  float along_x[P::kOutputs] = {};
  add_along_x<P>(windows, taps + P::kTaps, along_x);
#pragma unroll
  for (int32_t open = 0; open < P::kOpen; ++open) {
    const int32_t distance = farthest - P::kDown * open;
#pragma unroll
    for (int32_t i = 0; i < P::kOutputs; ++i) sums[open][i] += taps[distance] * along_x[i];
  }
}

// `taps` as load_taps leaves them; `x` and `out` are a plane.
template <class P>
SPECOPS_DEVICE void make_strip(const Layout& layout, const Strip& strip, const float* taps, bool separable,
                               const typename P::Stored* x, typename P::Stored* out) {
  const int32_t begin = first_sample(layout.x, strip.column), offset = begin & (P::kAtOnce - 1), first = begin - offset;
  const bool later = first_sample(layout.x, strip.column + 1) > begin;
  const bool inside = first >= 0 && first + P::kLoaded <= layout.x.n_in;
  const bool in_vectors = layout.load_vectors && (inside || layout.x.boundary == Boundary::kZeros);
  const int32_t end = end_sample(layout.y, strip.end_row - 1);
  const Source<P> source = {x, extension_of(layout.y), end, first, in_vectors};
  int32_t sample = first_sample(layout.y, strip.row);
  // The row of sums[0], the one that is complete first.
  int32_t row = (sample * P::kUp + layout.y.before + 1 - P::kUp) / P::kDown - (P::kOpen - P::kUp);
  float sums[P::kOpen][P::kOutputs] = {};
  Lines<P> lines = load_lines(layout, source, sample);
#pragma unroll 1
  for (; row < strip.end_row; row += P::kUp) {
    sample += P::kDown;
    Lines<P> next;
    if (P::kAhead) next = load_lines(layout, source, sample);
#pragma unroll
    for (int32_t r = 0; r < P::kDown; ++r) {
      add_line<P>(windows_of(lines.at[r], offset, later), r, taps, separable, sums);
    }
    if (!P::kAhead) next = load_lines(layout, source, sample);
#pragma unroll
    for (int32_t i = 0; i < P::kUp; ++i) {
      if (row + i < strip.row || row + i >= strip.end_row) continue;
      store_sums<P>(layout, sums[i], strip.column, out + static_cast<int64_t>(row + i) * layout.x.n_out);
    }
#pragma unroll
    for (int32_t i = 0; i < P::kOpen; ++i) {
#pragma unroll
      for (int32_t j = 0; j < P::kOutputs; ++j) sums[i][j] = i + P::kUp < P::kOpen ? sums[i + P::kUp][j] : 0;
    }
    lines = next;
  }
}

template <class P>
__global__ void __launch_bounds__(kPatchThreads, P::kBlocksEach)
    upfirdn2d_patches_kernel(const typename P::Stored* __restrict__ x, const float* f, const float* factors,
                             typename P::Stored* __restrict__ out, Layout layout, int64_t planes, int64_t first_block) {
  SPECOPS_SHARED(float, taps, P::kTaps* P::kTaps);
  const bool separable = load_taps<P>(layout, f, factors, taps);
  __syncthreads();
  const Strip strip = strip_of(layout, first_block + blockIdx.x);
  if (strip.plane >= planes) return;
  x += strip.plane * layout.y.n_in * layout.x.n_in;
  out += strip.plane * layout.y.n_out * layout.x.n_out;
  make_strip<P>(layout, strip, taps, separable, x, out);
}

}  // namespace specops::resample
