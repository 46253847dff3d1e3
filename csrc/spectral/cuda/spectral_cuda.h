#pragma once

#include <stdint.h>

// Launchers of the kernels of spectral_cuda.cu: they return a cudaError_t and are given the stream. Images are
// [n_images, height, width] float32, on 16-byte boundaries; `table` is exp(2 pi i m / max(height, width)). The plans,
// pairs of an int32 and the bits of a float, are those of specops/ops/spectral/plans, where the structs are
// dataclasses; `launch` is the integers of one.
namespace specops::spectral {

struct BinnedSums {
  int64_t n_images, height, width, n_bins, bins_per_pool;
};

struct BinnedFilter {
  int64_t n_images, height, width;
  int64_t profile_stride;  // image b is filtered by the profile at profiles + b * profile_stride
};

struct BandSwap : BinnedFilter {
  int64_t keep;  // whether kept is not null
};

}  // namespace specops::spectral

extern "C" {

// `launch` is of BinnedSums.

int launch_binned_power(const float* x, const float* table, const int32_t* points, const int32_t* pools, float* sums,
                        const int64_t* launch, void* stream);

int launch_binned_cross_spectrum(const float* x, const float* y, const float* table, const int32_t* points,
                                 const int32_t* pools, float* sums, const int64_t* launch, void* stream);

// Of the next three, `launch` is of BinnedFilter.

int launch_binned_filter(const float* x, const float* table, const int32_t* gains, const float* profiles, float* y,
                         const int64_t* launch, void* stream);

// Of x times slopes, which are like x and on a 16-byte boundary.
int launch_binned_sloped_filter(const float* x, const int8_t* slopes, const float* table, const int32_t* gains,
                                const float* profiles, float* y, const int64_t* launch, void* stream);

// b is one number.
int launch_clipped_filter(const float* x, const float* b, const float* table, const int32_t* gains,
                          const float* profiles, float* filtered, int8_t* slopes, const int64_t* launch, double low,
                          double high, void* stream);

// `launch` is of BandSwap; kept may be null.
int launch_clipped_band_swap(const float* a, const float* b, const float* table, const int32_t* gains,
                             const float* profiles, float* swapped, int8_t* slopes, float* kept, const int64_t* launch,
                             double low, double high, void* stream);

}  // extern "C"
