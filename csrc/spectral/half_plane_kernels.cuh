#pragma once

// What comes between and after the transforms of torch.fft, for images that no one-launch kernel serves. Spectra are
// half planes [images, points] of complex numbers.

#include "range.cuh"

namespace specops::spectral {

constexpr int kHalfPlaneThreads = 256;
constexpr int kTermsAtOnce = 32, kTurns = 4;

template <class T>
struct alignas(2 * sizeof(T)) Coefficient {
  T re, im;
};

enum ScaleKind { kUnscaled = 0, kAmplitude = 1, kLog = 2 };

// A function s of q = factor · power: √q or ln(q + eps).
template <class T>
struct Scale {
  int kind;
  T factor, eps;
};

template <class T>
SPECOPS_DEVICE T scaled(T power, Scale<T> scale) {
  const T q = scale.factor * power;
  return scale.kind == kLog ? log(q + scale.eps) : sqrt(q);
}

// s' at q; that of the root is taken as 0 where q is 0.
template <class T>
SPECOPS_DEVICE T slope_of(T power, Scale<T> scale) {
  const T q = scale.factor * power;
  if (scale.kind == kLog) return T(1) / (q + scale.eps);
  return q == T(0) ? T(0) : T(0.5) / sqrt(q);
}

// sums[b, k] = Σ weight Re(conj X · Y), or with a scale Σ weight s(|X|²), over the points first[k]..first[k + 1] of the
// bin: `lanes` threads take turns, add up kTermsAtOnce terms at a time, and their sums meet in a tree. Few lanes, so
// that a block has many neighbouring bins, whose coefficients lie in the same sectors.
template <class T>
__global__ void __launch_bounds__(kHalfPlaneThreads, sizeof(T) == 8 ? 3 : 4)
    half_plane_sums_kernel(const Coefficient<T>* X, const Coefficient<T>* Y, const int32_t* __restrict__ place,
                           const T* __restrict__ weight, const int32_t* __restrict__ first, T* __restrict__ sums,
                           int n_points, int n_bins, int lanes, Scale<T> scale) {
  const int bins_per_block = kHalfPlaneThreads / lanes,
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
        const int i = begin + lanes * (turn + t), point = i < end ? i : begin;
        const int64_t at = image * n_points + place[point];
        x[t] = X[at];
        y[t] = same ? x[t] : Y[at];
        weights[t] = weight[point];
      }
#pragma unroll
      for (int t = 0; t < kTurns; ++t) {
        if (begin + lanes * (turn + t) >= end) break;
        const T value = x[t].re * y[t].re + x[t].im * y[t].im;
        part += weights[t] * (scale.kind == kUnscaled ? value : scaled(value, scale));
      }
    }
    total += part;
  }
  __syncwarp();
  for (int offset = lanes / 2; offset > 0; offset /= 2) total += __shfl_xor_sync(0xffffffffu, total, offset);
  if (live && lane == 0) sums[image * n_bins + bin] = total;
}

// X[b, p] *= Σ weight[m, p] · c[b, index[m, p]] over the maps m, and with a scale s'(|X[b, p]|²), in place; no bin (-1)
// is 0, whatever c holds.
template <class T>
__global__ void __launch_bounds__(kHalfPlaneThreads, 4)
    half_plane_gains_kernel(Coefficient<T>* X, const T* __restrict__ profiles, const int32_t* __restrict__ index,
                            const T* __restrict__ weight, int n_points, int n_maps, int64_t profile_stride,
                            Scale<T> scale) {
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
  const Coefficient<T> x = X[image * n_points + point];
  if (scale.kind != kUnscaled) gain *= slope_of(x.re * x.re + x.im * x.im, scale);
  X[image * n_points + point] = {gain * x.re, gain * x.im};
}

// u = b + filtered, folded and clipped, its slope, and b folded and clipped; b may be one number.
template <class T>
__global__ void __launch_bounds__(kHalfPlaneThreads, 4)
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
