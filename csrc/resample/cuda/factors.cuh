#pragma once

#include <stdint.h>

#include "common/cuda/launch.cuh"
#include "resample/cuda/windows.cuh"

// The factors of a filter that is an outer product, found or made by a warp.
namespace specops::resample {

constexpr int32_t kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// The sum of a value over the lanes of a warp, the same in all.
template <class T>
SPECOPS_DEVICE T warp_sum(T value) {
  for (int32_t lanes = kWarp / 2; lanes > 0; lanes /= 2) value += __shfl_xor_sync(kAllLanes, value, lanes);
  return value;
}

// The first index of the largest of |f| [count], the same in all lanes of a warp.
template <class T>
SPECOPS_DEVICE int32_t index_of_largest(const T* f, int32_t count) {
  int32_t found = smaller(threadIdx.x, count - 1);
  for (int32_t i = threadIdx.x; i < count; i += kWarp) {
    if (fabs(static_cast<double>(f[i])) > fabs(static_cast<double>(f[found]))) found = i;
  }
  for (int32_t lanes = kWarp / 2; lanes > 0; lanes /= 2) {
    const int32_t other = __shfl_xor_sync(kAllLanes, found, lanes);
    const double theirs = fabs(static_cast<double>(f[other])), ours = fabs(static_cast<double>(f[found]));
    if (theirs > ours || (theirs == ours && other < found)) found = other;
  }
  return found;
}

// Whether f [fh, fw] is an outer product up to a few roundings: factors = 1, g, h with f[i, j] = g[i] h[j], else 0. One
// warp. Sums over columns and rows lose what single taps do to rounding; where they cancel, the row and column through
// the largest tap stand in.
template <class T>
__global__ void factor_kernel(const T* f, int32_t fh, int32_t fw, T roundoff, T* factors) {
  double sum = 0, magnitude = 0;
  for (int32_t i = threadIdx.x; i < fh * fw; i += kWarp) {
    sum += f[i];
    magnitude += fabs(static_cast<double>(f[i]));
  }
  sum = warp_sum(sum);
  magnitude = warp_sum(magnitude);
  const int32_t largest = index_of_largest(f, fh * fw);
  const bool cancels = fabs(sum) < magnitude / 8;
  const double pivot = cancels ? static_cast<double>(f[largest]) : sum, root = sqrt(fabs(pivot));
  for (int32_t i = threadIdx.x; i < fh + fw; i += kWarp) {
    const bool of_row = i < fh;
    const int32_t first = of_row ? i * fw : i - fh, step = of_row ? 1 : fw, count = of_row ? fw : fh;
    double line = cancels ? static_cast<double>(f[first + (of_row ? largest % fw : largest / fw) * step]) : 0;
    for (int32_t k = 0; k < count && !cancels; ++k) line += f[first + k * step];
    factors[1 + i] = static_cast<T>(line / (!of_row && pivot < 0 ? -root : root));
  }
  __syncwarp();
  int32_t misses = magnitude > 0 && magnitude < INFINITY ? 0 : 1;
  for (int32_t i = threadIdx.x; i < fh * fw; i += kWarp) {
    const double value = f[i], product = static_cast<double>(factors[1 + i / fw]) * factors[1 + fh + i % fw];
    if (!(fabs(product - value) <= 8 * static_cast<double>(roundoff) * fabs(value))) ++misses;
  }
  misses = warp_sum(misses);
  if (threadIdx.x == 0) factors[0] = misses == 0 ? T(1) : T(0);
}

// The same of the filter gain f[i] f[j], which needs no search.
template <class T>
__global__ void outer_kernel(const T* f, int32_t count, T gain, T* factors) {
  for (int32_t i = threadIdx.x; i < 1 + 2 * count; i += kWarp) {
    factors[i] = i == 0 ? T(1) : i <= count ? gain * f[i - 1] : f[i - 1 - count];
  }
}

}  // namespace specops::resample
