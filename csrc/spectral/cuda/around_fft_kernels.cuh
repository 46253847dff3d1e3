#pragma once

// What comes between and after the transforms of torch.fft, for images that no one-launch kernel serves. Spectra are
// half planes [images, points] of complex numbers.

#include "common/coefficient.h"
#include "spectral/cuda/bins.cuh"
#include "spectral/cuda/range.cuh"

namespace specops::spectral {

constexpr int kAroundFftThreads = 256;
constexpr int kTermsAtOnce = 32;
constexpr int kSectorBytes = 32;

// A complex number in memory, which is read and written in one access.
template <class T>
struct alignas(2 * sizeof(T)) Coefficient : Complex<T> {};

// What the scales of common/coefficient.h are made of.
struct Maths {
  template <class T>
  SPECOPS_INLINE T root(T x) {
    return sqrt(x);
  }
  template <class T>
  SPECOPS_INLINE T logarithm(T x) {
    return log(x);
  }
};

// The term of a sum that belongs to one coefficient: Re(conj x · y), or with a scale s(|x|²).
template <class T>
SPECOPS_DEVICE T term_of(Complex<T> x, Complex<T> y, PointScale<T> scale) {
  const T value = cross(x, y);
  return scale.scale == Scale::kPower ? value : scaled_power<Maths>(scale, value);
}

// sums[b, t, k] = Σ weight · term over the points of bin k that lie in tile t, of `tile_points` coefficients in a row
// of memory, the last of fewer. They are read once, in order, and their terms wait in shared memory.
template <class T>
__global__ void __launch_bounds__(kAroundFftThreads, sizeof(T) == 8 ? 4 : 5)
    around_fft_tile_sums_kernel(const Coefficient<T>* X, const Coefficient<T>* Y, const Point<T>* __restrict__ points,
                                const Pool* __restrict__ pools, T* __restrict__ sums, int n_points, int tile_points,
                                int n_tiles, int n_bins, int bins_per_pool, PointScale<T> scale) {
  SPECOPS_DYN_SMEM(T, terms);
  constexpr int kAligned = kSectorBytes / static_cast<int>(sizeof(Coefficient<T>));
  const int64_t image = blockIdx.x / n_tiles;
  const int tile = blockIdx.x % n_tiles, n_pools = (n_bins + bins_per_pool - 1) / bins_per_pool;
  const int64_t first = image * n_points + static_cast<int64_t>(tile) * tile_points;
  const int left = n_points - tile * tile_points, count = left < tile_points ? left : tile_points;
  const int n_threads = static_cast<int>(blockDim.x);
  const bool same = X == Y;
  for (int begin = static_cast<int>(threadIdx.x) - static_cast<int>(first % kAligned); begin < count;
       begin += n_threads * kTurns) {
    Coefficient<T> x[kTurns], y[kTurns];
#pragma unroll
    for (int t = 0; t < kTurns; ++t) {  // all loads before the first term waits for one
      const int i = begin + n_threads * t;
      if (i < 0 || i >= count) continue;
      x[t] = X[first + i];
      y[t] = same ? x[t] : Y[first + i];
    }
#pragma unroll
    for (int t = 0; t < kTurns; ++t) {
      const int i = begin + n_threads * t;
      if (i >= 0 && i < count) terms[i] = term_of(x[t], y[t], scale);
    }
  }
  __syncthreads();
  sum_bins(terms, points, pools + tile * n_pools, sums + blockIdx.x * static_cast<int64_t>(n_bins), n_bins,
           bins_per_pool, static_cast<int>(threadIdx.x), n_threads, true);
}

// sums[b, k] = Σ of_tiles[b, t, k] over the tiles, in order.
template <class T>
__global__ void __launch_bounds__(kAroundFftThreads, 4)
    around_fft_totals_kernel(const T* __restrict__ of_tiles, T* __restrict__ sums, int64_t n_sums, int n_tiles,
                             int n_bins) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kAroundFftThreads + threadIdx.x;
  if (i >= n_sums) return;
  const T* next = of_tiles + i / n_bins * n_tiles * n_bins + i % n_bins;
  T total = 0;
#pragma unroll 4
  for (int tile = 0; tile < n_tiles; ++tile, next += n_bins) total += *next;
  sums[i] = total;
}

// sums[b, k] = Σ weight · term over the points first[k]..first[k + 1] of the bin, for bins with few points: `lanes`
// threads take turns, add up kTermsAtOnce terms at a time, and their sums meet in a tree. Few lanes, so that a block
// has many neighbouring bins, whose coefficients may lie in the same sectors.
template <class T>
__global__ void __launch_bounds__(kAroundFftThreads, sizeof(T) == 8 ? 3 : 4)
    around_fft_sums_kernel(const Coefficient<T>* X, const Coefficient<T>* Y, const int32_t* __restrict__ place,
                           const T* __restrict__ weight, const int32_t* __restrict__ first, T* __restrict__ sums,
                           int n_points, int n_bins, int lanes, PointScale<T> scale) {
  const int bins_per_block = kAroundFftThreads / lanes,
            blocks_per_image = (n_bins + bins_per_block - 1) / bins_per_block;
  const int64_t image = blockIdx.x / blocks_per_image;
  const int bin = blockIdx.x % blocks_per_image * bins_per_block + threadIdx.x / lanes, lane = threadIdx.x % lanes;
  const bool live = bin < n_bins, same = X == Y;
  const int end = live ? first[bin + 1] : 0;
  T total = 0;
  for (int begin = live ? first[bin] + lane : 0; begin < end; begin += lanes * kTermsAtOnce) {
    T part = 0;
    for (int turn = 0; turn < kTermsAtOnce && begin + lanes * turn < end; turn += kTurns) {
      Coefficient<T> x[kTurns], y[kTurns];
      T weights[kTurns];
#pragma unroll
      for (int t = 0; t < kTurns; ++t) {  // all loads before the first sum waits for one
        const int i = begin + lanes * (turn + t);
        if (i >= end) continue;
        const int64_t at = image * n_points + place[i];
        x[t] = X[at];
        y[t] = same ? x[t] : Y[at];
        weights[t] = weight[i];
      }
#pragma unroll
      for (int t = 0; t < kTurns; ++t) {
        if (begin + lanes * (turn + t) >= end) break;
        part += weights[t] * term_of(x[t], y[t], scale);
      }
    }
    total += part;
  }
  __syncwarp();
  for (int offset = lanes / 2; offset > 0; offset /= 2) total += __shfl_xor_sync(0xffffffffu, total, offset);
  if (live && lane == 0) sums[image * n_bins + bin] = total;
}

// X[b, p] *= Σ weight[m, p] · profile[b, index[m, p]] over the maps m, and with a scale s'(|X[b, p]|²), in place. No
// bin
// (-1) is 0, whatever the profile holds.
template <class T>
__global__ void __launch_bounds__(kAroundFftThreads, 4)
    around_fft_gains_kernel(Coefficient<T>* X, const T* __restrict__ profiles, const int32_t* __restrict__ index,
                            const T* __restrict__ weight, int n_points, int n_maps, int64_t profile_stride,
                            PointScale<T> scale) {
  const int blocks_per_image = (n_points + kAroundFftThreads - 1) / kAroundFftThreads;
  const int64_t image = blockIdx.x / blocks_per_image;
  const int point = blockIdx.x % blocks_per_image * kAroundFftThreads + threadIdx.x;
  if (point >= n_points) return;
  const T* const profile = profiles + image * profile_stride;
  T gain = 0;
  for (int map = 0; map < n_maps; ++map) {
    const int64_t at = static_cast<int64_t>(map) * n_points + point;
    const int bin = index[at];
    if (bin >= 0) gain += weight[at] * profile[bin];
  }
  const Complex<T> x = X[image * n_points + point];
  if (scale.scale != Scale::kPower) gain *= scale_slope<Maths>(scale, power(x));
  X[image * n_points + point] = {{gain * x.re, gain * x.im}};
}

// Replaces the columns kx = 0 and, of images of even width, W/2 of each X [n_rows, n_columns] by their Hermitian part,
// ½ (X(ky) + conj X(-ky)), which an inverse real transform presumes. A thread has both.
template <class T>
__global__ void __launch_bounds__(kAroundFftThreads, 4)
    around_fft_hermitian_kernel(Coefficient<T>* X, int64_t n_pairs, int n_rows, int n_columns, int n_edges) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kAroundFftThreads + threadIdx.x;
  if (i >= n_pairs) return;
  const int pairs = n_edges * (n_rows / 2 + 1), pair = static_cast<int>(i % pairs), ky = pair / n_edges;
  Coefficient<T>* const column = X + i / pairs * n_rows * n_columns + (pair % n_edges == 0 ? 0 : n_columns - 1);
  const int here = ky * n_columns, mirrored = (n_rows - ky) * n_columns;
  const bool alone = 2 * ky % n_rows == 0;
  const Complex<T> x = column[here], y = alone ? x : column[mirrored];
  const Complex<T> even = {T(0.5) * (x.re + y.re), T(0.5) * (x.im - y.im)};
  column[here] = {even};
  if (!alone) column[mirrored] = {conjugate(even)};
}

// u = b + filtered, folded and clipped, its slope, and b folded and clipped; b may be one number.
template <class T>
__global__ void __launch_bounds__(kAroundFftThreads, 4)
    around_fft_clip_kernel(const T* filtered, const T* b, T* swapped, int8_t* slopes, T* kept, int64_t n_pixels,
                           bool constant, Range<T> range) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kAroundFftThreads + threadIdx.x;
  if (i >= n_pixels) return;
  const T from_b = b[constant ? 0 : i], u = from_b + filtered[i];
  swapped[i] = in_range(u, range);
  slopes[i] = slope_of(u, range);
  if (kept != nullptr) kept[i] = in_range(from_b, range);
}

}  // namespace specops::spectral
