#pragma once

// The sums per bin of values in shared memory.

#include "../common/cuda/launch.cuh"

namespace specops::spectral {

// A value to be added to the sum of a bin. Points are sorted by bin, in one order for all images.
struct alignas(8) Point {
  int32_t position;
  float weight;
};

// Sums the points starts[k]..starts[k + 1] of each bin k on `lanes` neighbouring lanes, a power of two. `thread` is one
// of `n_threads`, whole warps, that all call this; `live` says whether it may write.
SPECOPS_DEVICE void sum_bins(const float* values, const Point* __restrict__ points, const int32_t* __restrict__ starts,
                             float* __restrict__ sums, int n_bins, int lanes, int thread, int n_threads, bool live) {
  const int member = thread % lanes;
  const int n_groups = n_threads / lanes, bins_per_warp = 32 / lanes;
  for (int first = thread / 32 * bins_per_warp; first < n_bins; first += n_groups) {
    const int bin = first + thread % 32 / lanes;
    float sum = 0.0f;
    if (bin < n_bins) {
      const int end = starts[bin + 1];
      for (int i = starts[bin] + member; i < end; i += lanes) {
        const Point point = points[i];
        sum += point.weight * values[point.position];
      }
    }
    for (int offset = lanes / 2; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    if (member == 0 && bin < n_bins && live) sums[bin] = sum;
  }
}

}  // namespace specops::spectral
