#pragma once

#include <stdint.h>

// Launchers of the kernels of spectral_cuda.cu: they return a cudaError_t and are given the stream. Images are
// [n_images, height, width] float32, on 16-byte boundaries; `table` is exp(2 pi i m / max(height, width)). The plans,
// pairs of an int32 and the bits of a float, are those of specops/ops/spectral/gpu_plans.py.
extern "C" {

int launch_binned_power(const float* x, const float* table, const int32_t* points, const int32_t* pools, float* sums,
                        int64_t n_images, int64_t height, int64_t width, int64_t n_bins, int64_t bins_per_pool,
                        void* stream);

int launch_binned_cross_spectrum(const float* x, const float* y, const float* table, const int32_t* points,
                                 const int32_t* pools, float* sums, int64_t n_images, int64_t height, int64_t width,
                                 int64_t n_bins, int64_t bins_per_pool, void* stream);

// Image b is filtered by the profile at profiles + b * profile_stride.
int launch_binned_filter(const float* x, const float* table, const int32_t* gains, const float* profiles, float* y,
                         int64_t n_images, int64_t height, int64_t width, int64_t profile_stride, void* stream);

// b is one element where `constant`; kept may be null.
int launch_clipped_band_swap(const float* a, const float* b, const float* table, const int32_t* gains,
                             const float* profiles, float* swapped, int8_t* slopes, float* kept, int64_t n_images,
                             int64_t height, int64_t width, int64_t profile_stride, int64_t constant, double low,
                             double high, void* stream);

}  // extern "C"
