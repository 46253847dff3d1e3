#include "spectral/cuda/around_fft_cuda.h"

#include "spectral/cuda/around_fft_kernels.cuh"

// Launchers without torch: called by around_fft_cuda.cpp, and by the tests' emulation.
namespace specops::spectral {
namespace {

// Of a launch, for each image or one; none, which no launch accepts, where there would be too many.
dim3 blocks_for(int64_t threads, int64_t n_images = 1) {
  const int64_t wanted = n_images * ((threads + kAroundFftThreads - 1) / kAroundFftThreads);
  return dim3(wanted <= INT32_MAX ? static_cast<unsigned>(wanted) : 0u);
}

template <class T>
Scale<T> scale_of(int64_t kind, double factor, double eps) {
  return {static_cast<int>(kind), static_cast<T>(factor), static_cast<T>(eps)};
}

// Calls f(T{}) for the type of the numbers.
template <class F>
int for_type(int64_t wide, const F& f) {
  return wide != 0 ? f(double{}) : f(float{});
}

}  // namespace
}  // namespace specops::spectral

using namespace specops::spectral;

int launch_around_fft_tile_sums(const void* X, const void* Y, const int32_t* points, const int32_t* pools,
                                void* of_tiles, void* sums, int64_t wide, int64_t n_images, int64_t n_points,
                                int64_t n_tiles, int64_t tile_points, int64_t n_threads, int64_t n_bins,
                                int64_t bins_per_pool, int64_t scale, double factor, double eps, void* stream) {
  return for_type(wide, [&](auto number) -> int {
    using T = decltype(number);
    T* const total = static_cast<T*>(sums);
    T* const parts = n_tiles > 1 ? static_cast<T*>(of_tiles) : total;
    const int error =
        SPECOPS_LAUNCH((around_fft_tile_sums_kernel<T>), blocks_for(kAroundFftThreads, n_images * n_tiles),
                       dim3(static_cast<unsigned>(n_threads)), static_cast<int>(tile_points * sizeof(T)), stream,
                       static_cast<const Coefficient<T>*>(X), static_cast<const Coefficient<T>*>(Y),
                       reinterpret_cast<const Point<T>*>(points), reinterpret_cast<const Pool*>(pools), parts, n_points,
                       tile_points, n_tiles, n_bins, bins_per_pool, scale_of<T>(scale, factor, eps));
    if (error != cudaSuccess || n_tiles == 1) return error;
    return SPECOPS_LAUNCH((around_fft_totals_kernel<T>), blocks_for(n_images * n_bins), dim3(kAroundFftThreads), 0,
                          stream, parts, total, n_images * n_bins, n_tiles, n_bins);
  });
}

int launch_around_fft_sums(const void* X, const void* Y, const int32_t* place, const void* weight, const int32_t* first,
                           void* sums, int64_t wide, int64_t n_images, int64_t n_points, int64_t n_bins, int64_t lanes,
                           int64_t scale, double factor, double eps, void* stream) {
  return for_type(wide, [&](auto number) -> int {
    using T = decltype(number);
    return SPECOPS_LAUNCH((around_fft_sums_kernel<T>), blocks_for(n_bins * lanes, n_images), dim3(kAroundFftThreads), 0,
                          stream, static_cast<const Coefficient<T>*>(X), static_cast<const Coefficient<T>*>(Y), place,
                          static_cast<const T*>(weight), first, static_cast<T*>(sums), n_points, n_bins, lanes,
                          scale_of<T>(scale, factor, eps));
  });
}

int launch_around_fft_gains(void* X, const void* profiles, const int32_t* index, const void* weight, int64_t wide,
                            int64_t n_images, int64_t n_points, int64_t n_maps, int64_t profile_stride, int64_t scale,
                            double factor, double eps, void* stream) {
  return for_type(wide, [&](auto number) -> int {
    using T = decltype(number);
    return SPECOPS_LAUNCH((around_fft_gains_kernel<T>), blocks_for(n_points, n_images), dim3(kAroundFftThreads), 0,
                          stream, static_cast<Coefficient<T>*>(X), static_cast<const T*>(profiles), index,
                          static_cast<const T*>(weight), n_points, n_maps, profile_stride,
                          scale_of<T>(scale, factor, eps));
  });
}

int launch_around_fft_hermitian(void* X, int64_t wide, int64_t n_images, int64_t n_rows, int64_t n_columns,
                                int64_t n_edges, void* stream) {
  return for_type(wide, [&](auto number) -> int {
    using T = decltype(number);
    const int64_t n_pairs = n_images * n_edges * (n_rows / 2 + 1);
    return SPECOPS_LAUNCH((around_fft_hermitian_kernel<T>), blocks_for(n_pairs), dim3(kAroundFftThreads), 0, stream,
                          static_cast<Coefficient<T>*>(X), n_pairs, n_rows, n_columns, n_edges);
  });
}

int launch_around_fft_clip(const void* filtered, const void* b, void* swapped, int8_t* slopes, void* kept, int64_t wide,
                           int64_t n_pixels, int64_t constant, double low, double high, void* stream) {
  return for_type(wide, [&](auto number) -> int {
    using T = decltype(number);
    const Range<T> range = {static_cast<T>(low), static_cast<T>(high)};
    return SPECOPS_LAUNCH((around_fft_clip_kernel<T>), blocks_for(n_pixels), dim3(kAroundFftThreads), 0, stream,
                          static_cast<const T*>(filtered), static_cast<const T*>(b), static_cast<T*>(swapped), slopes,
                          static_cast<T*>(kept), n_pixels, constant, range);
  });
}
