#include "spectral/cuda/spectral_cuda.h"

#include "common/cuda/fields.h"
#include "spectral/cuda/spectral_kernels.cuh"

// Launchers of the one-launch kernels, without torch: called by spectral_cuda.cpp, and by the tests' emulation.
namespace specops::spectral {
namespace {

// Calls f(Shape) for the shape of a launch's images.
template <class Launch, class F>
int for_shape(const Launch& launch, const F& f) {
  const int64_t height = launch.height, width = launch.width;
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

using namespace specops;
using namespace specops::spectral;

int launch_binned_power(const float* x, const float* table, const int32_t* points, const int32_t* pools, float* sums,
                        const int64_t* launch, void* stream) {
  const BinnedSums how = from_integers<BinnedSums>(launch);
  return for_shape(how, [&](auto shape) -> int {
    using S = decltype(shape);
    return SPECOPS_LAUNCH((binned_power_kernel<S>), grid<S>(how.n_images), dim3(S::kThreads), kBytes<S>, stream, x,
                          circle(table), points_of(points), pools_of(pools), sums, how.n_images, how.n_bins,
                          how.bins_per_pool);
  });
}

int launch_binned_cross_spectrum(const float* x, const float* y, const float* table, const int32_t* points,
                                 const int32_t* pools, float* sums, const int64_t* launch, void* stream) {
  const BinnedSums how = from_integers<BinnedSums>(launch);
  return for_shape(how, [&](auto shape) -> int {
    using S = decltype(shape);
    return SPECOPS_LAUNCH((binned_cross_spectrum_kernel<S>), grid<S>(how.n_images), dim3(S::kThreads), kBytes<S>,
                          stream, x, y, circle(table), points_of(points), pools_of(pools), sums, how.n_images,
                          how.n_bins, how.bins_per_pool);
  });
}

int launch_binned_filter(const float* x, const float* table, const int32_t* gains, const float* profiles, float* y,
                         const int64_t* launch, void* stream) {
  const BinnedFilter how = from_integers<BinnedFilter>(launch);
  return for_shape(how, [&](auto shape) -> int {
    using S = decltype(shape);
    return SPECOPS_LAUNCH((binned_filter_kernel<S, false>), grid<S>(how.n_images), dim3(S::kThreads), kBytes<S>, stream,
                          x, nullptr, circle(table), gains_of(gains), profiles, y, how.n_images, how.profile_stride);
  });
}

int launch_binned_sloped_filter(const float* x, const int8_t* slopes, const float* table, const int32_t* gains,
                                const float* profiles, float* y, const int64_t* launch, void* stream) {
  const BinnedFilter how = from_integers<BinnedFilter>(launch);
  return for_shape(how, [&](auto shape) -> int {
    using S = decltype(shape);
    return SPECOPS_LAUNCH((binned_filter_kernel<S, true>), grid<S>(how.n_images), dim3(S::kThreads), kBytes<S>, stream,
                          x, slopes, circle(table), gains_of(gains), profiles, y, how.n_images, how.profile_stride);
  });
}

int launch_clipped_filter(const float* x, const float* b, const float* table, const int32_t* gains,
                          const float* profiles, float* filtered, int8_t* slopes, const int64_t* launch, double low,
                          double high, void* stream) {
  const BinnedFilter how = from_integers<BinnedFilter>(launch);
  return for_shape(how, [&](auto shape) -> int {
    using S = decltype(shape);
    return SPECOPS_LAUNCH((clipped_band_swap_kernel<S, true>), grid<S>(how.n_images), dim3(S::kThreads), kBytes<S>,
                          stream, x, b, circle(table), gains_of(gains), profiles, filtered, slopes, nullptr,
                          how.n_images, how.profile_stride, low, high);
  });
}

int launch_clipped_band_swap(const float* a, const float* b, const float* table, const int32_t* gains,
                             const float* profiles, float* swapped, int8_t* slopes, float* kept, const int64_t* launch,
                             double low, double high, void* stream) {
  const BandSwap how = from_integers<BandSwap>(launch);
  return for_shape(how, [&](auto shape) -> int {
    using S = decltype(shape);
    return SPECOPS_LAUNCH((clipped_band_swap_kernel<S, false>), grid<S>(how.n_images), dim3(S::kThreads),
                          kBytesOfTwo<S>, stream, a, b, circle(table), gains_of(gains), profiles, swapped, slopes, kept,
                          how.n_images, how.profile_stride, low, high);
  });
}
