#include "spectral/cuda/spectral_cuda.h"

#include "spectral/cuda/spectral_kernels.cuh"

// Launchers of the one-launch kernels, without torch: called by spectral_cuda.cpp, and by the tests' emulation.
namespace specops::spectral {
namespace {

// Calls f(Shape) for the shape [height, width].
template <class F>
int for_shape(int64_t height, int64_t width, const F& f) {
  if (height == 32 && width == 32) return f(fft::Shape<32, 32>{});
  if (height == 64 && width == 64) return f(fft::Shape<64, 64>{});
  if (height == 128 && width == 128) return f(fft::Shape<128, 128>{});
  return cudaErrorInvalidValue;
}

template <class S>
dim3 grid(int64_t n_images) {
  return dim3(static_cast<unsigned>((n_images + S::kImages - 1) / S::kImages));
}

// One image, or two of which one waits.
template <class S>
constexpr int kBytes = S::kImages * S::kImageCells * static_cast<int>(sizeof(float4));
template <class S>
constexpr int kBytesOfTwo = kBytes<S> + S::kThreads * S::E * static_cast<int>(sizeof(float4));

const float2* circle(const float* table) { return reinterpret_cast<const float2*>(table); }
const Point<float>* points_of(const int32_t* points) { return reinterpret_cast<const Point<float>*>(points); }
const Pool* pools_of(const int32_t* pools) { return reinterpret_cast<const Pool*>(pools); }
const Gain* gains_of(const int32_t* gains) { return reinterpret_cast<const Gain*>(gains); }

}  // namespace
}  // namespace specops::spectral

using namespace specops::spectral;

int launch_binned_power(const float* x, const float* table, const int32_t* points, const int32_t* pools, float* sums,
                        int64_t n_images, int64_t height, int64_t width, int64_t n_bins, int64_t bins_per_pool,
                        void* stream) {
  return for_shape(height, width, [&](auto shape) -> int {
    using S = decltype(shape);
    return SPECOPS_LAUNCH((binned_power_kernel<S>), grid<S>(n_images), dim3(S::kThreads), kBytes<S>, stream, x,
                          circle(table), points_of(points), pools_of(pools), sums, n_images, n_bins, bins_per_pool);
  });
}

int launch_binned_cross_spectrum(const float* x, const float* y, const float* table, const int32_t* points,
                                 const int32_t* pools, float* sums, int64_t n_images, int64_t height, int64_t width,
                                 int64_t n_bins, int64_t bins_per_pool, void* stream) {
  return for_shape(height, width, [&](auto shape) -> int {
    using S = decltype(shape);
    return SPECOPS_LAUNCH((binned_cross_spectrum_kernel<S>), grid<S>(n_images), dim3(S::kThreads), kBytes<S>, stream, x,
                          y, circle(table), points_of(points), pools_of(pools), sums, n_images, n_bins, bins_per_pool);
  });
}

int launch_binned_filter(const float* x, const float* table, const int32_t* gains, const float* profiles, float* y,
                         int64_t n_images, int64_t height, int64_t width, int64_t profile_stride, void* stream) {
  return for_shape(height, width, [&](auto shape) -> int {
    using S = decltype(shape);
    return SPECOPS_LAUNCH((binned_filter_kernel<S>), grid<S>(n_images), dim3(S::kThreads), kBytes<S>, stream, x,
                          circle(table), gains_of(gains), profiles, y, n_images, profile_stride);
  });
}

int launch_clipped_band_swap(const float* a, const float* b, const float* table, const int32_t* gains,
                             const float* profiles, float* swapped, int8_t* slopes, float* kept, int64_t n_images,
                             int64_t height, int64_t width, int64_t profile_stride, int64_t constant, double low,
                             double high, void* stream) {
  return for_shape(height, width, [&](auto shape) -> int {
    using S = decltype(shape);
    if (constant != 0) {
      return SPECOPS_LAUNCH((clipped_band_swap_kernel<S, true>), grid<S>(n_images), dim3(S::kThreads), kBytes<S>,
                            stream, a, b, circle(table), gains_of(gains), profiles, swapped, slopes, kept, n_images,
                            profile_stride, low, high);
    }
    return SPECOPS_LAUNCH((clipped_band_swap_kernel<S, false>), grid<S>(n_images), dim3(S::kThreads), kBytesOfTwo<S>,
                          stream, a, b, circle(table), gains_of(gains), profiles, swapped, slopes, kept, n_images,
                          profile_stride, low, high);
  });
}
