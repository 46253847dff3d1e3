#pragma once

// What comes between and after the transforms of torch.fft, for images that no one-launch kernel serves. Spectra are
// half planes [images, points] of complex numbers.

#include "range.cuh"

namespace specops::spectral {

constexpr int kHalfPlaneThreads = 256;
constexpr int kTermsAtOnce = 32;

template <class T>
struct alignas(2 * sizeof(T)) Coefficient {
  T re, im;
};

// sums[b, k] = Σ weight Re(conj X · Y) over the points first[k]..first[k + 1] of the bin: `lanes` threads take turns,
// add up kTermsAtOnce terms at a time, and their sums meet in a tree.
template <class T>
__global__ void __launch_bounds__(kHalfPlaneThreads)
    half_plane_sums_kernel(const Coefficient<T>* X, const Coefficient<T>* Y, const int32_t* __restrict__ place,
                           const T* __restrict__ weight, const int32_t* __restrict__ first, T* __restrict__ sums,
                           int n_points, int n_bins, int lanes) {
  const int bins_per_block = kHalfPlaneThreads / lanes,
            blocks_per_image = (n_bins + bins_per_block - 1) / bins_per_block;
  const int64_t image = blockIdx.x / blocks_per_image;
  const int bin = blockIdx.x % blocks_per_image * bins_per_block + threadIdx.x / lanes, lane = threadIdx.x % lanes;
  const bool live = bin < n_bins;
  const int end = live ? first[bin + 1] : 0;
  T total = 0;
  for (int begin = live ? first[bin] + lane : 0; begin < end; begin += lanes * kTermsAtOnce) {
    T part = 0;
    for (int i = begin; i < end && i < begin + lanes * kTermsAtOnce; i += lanes) {
      const Coefficient<T> x = X[image * n_points + place[i]], y = Y[image * n_points + place[i]];
      part += weight[i] * (x.re * y.re + x.im * y.im);
    }
    total += part;
  }
  __syncwarp();
  for (int offset = lanes / 2; offset > 0; offset /= 2) total += __shfl_xor_sync(0xffffffffu, total, offset);
  if (live && lane == 0) sums[image * n_bins + bin] = total;
}

// X[b, p] *= Σ weight[m, p] · c[b, index[m, p]] over the maps m, in place; none (-1) is 0, whatever c holds.
template <class T>
__global__ void __launch_bounds__(kHalfPlaneThreads)
    half_plane_gains_kernel(Coefficient<T>* X, const T* __restrict__ profiles, const int32_t* __restrict__ index,
                            const T* __restrict__ weight, int n_points, int n_maps, int64_t profile_stride) {
  const int blocks_per_image = (n_points + kHalfPlaneThreads - 1) / kHalfPlaneThreads;
  const int64_t image = blockIdx.x / blocks_per_image;
  const int point = blockIdx.x % blocks_per_image * kHalfPlaneThreads + threadIdx.x;
  if (point >= n_points) return;
  const T* const profile = profiles + image * profile_stride;
  T gain = 0;
  for (int map = 0; map < n_maps; ++map) {
    const int64_t at = static_cast<int64_t>(map) * n_points + point;
    const int bin = index[at];
    if (bin >= 0) gain += weight[at] * profile[bin];
  }
  Coefficient<T>* const x = X + image * n_points + point;
  *x = {gain * x->re, gain * x->im};
}

// u = b + filtered, folded and clipped, its slope, and b folded and clipped; b may be one number.
template <class T>
__global__ void __launch_bounds__(kHalfPlaneThreads)
    half_plane_clip_kernel(const T* filtered, const T* b, T* swapped, int8_t* slopes, T* kept, int64_t n_pixels,
                           bool constant, Range<T> range) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kHalfPlaneThreads + threadIdx.x;
  if (i >= n_pixels) return;
  const T from_b = b[constant ? 0 : i], u = from_b + filtered[i];
  swapped[i] = in_range(u, range);
  slopes[i] = slope_of(u, range);
  if (kept != nullptr) kept[i] = in_range(from_b, range);
}

}  // namespace specops::spectral
