#include "spectral/cuda/around_fft_cuda.h"

#include "common/cuda/fields.h"
#include "common/pixel.h"
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
PointScale<T> scale_of(int64_t scale, double factor, double eps) {
  return {static_cast<Scale>(scale), static_cast<T>(factor), static_cast<T>(eps)};
}

}  // namespace
}  // namespace specops::spectral

using namespace specops;
using namespace specops::spectral;

int launch_around_fft_tile_sums(const void* X, const void* Y, const int32_t* points, const int32_t* pools,
                                void* of_tiles, void* sums, const int64_t* launch, int64_t scale, double factor,
                                double eps, void* stream) {
  const TileSums how = from_integers<TileSums>(launch);
  return for_real(how.wide != 0, [&](auto number) -> int {
    using T = decltype(number);
    T* const total = static_cast<T*>(sums);
    T* const parts = how.n_tiles > 1 ? static_cast<T*>(of_tiles) : total;
    const int error = SPECOPS_LAUNCH(
        (around_fft_tile_sums_kernel<T>), blocks_for(kAroundFftThreads, how.n_images * how.n_tiles),
        dim3(static_cast<unsigned>(how.n_threads)), static_cast<int>(how.tile_points * sizeof(T)), stream,
        static_cast<const Coefficient<T>*>(X), static_cast<const Coefficient<T>*>(Y),
        reinterpret_cast<const Point<T>*>(points), reinterpret_cast<const Pool*>(pools), parts, how.n_points,
        how.tile_points, how.n_tiles, how.n_bins, how.bins_per_pool, scale_of<T>(scale, factor, eps));
    if (error != cudaSuccess || how.n_tiles == 1) return error;
    return SPECOPS_LAUNCH((around_fft_totals_kernel<T>), blocks_for(how.n_images * how.n_bins), dim3(kAroundFftThreads),
                          0, stream, parts, total, how.n_images * how.n_bins, how.n_tiles, how.n_bins);
  });
}

int launch_around_fft_sums(const void* X, const void* Y, const int32_t* place, const void* weight, const int32_t* first,
                           void* sums, const int64_t* launch, int64_t scale, double factor, double eps, void* stream) {
  const BinSums how = from_integers<BinSums>(launch);
  return for_real(how.wide != 0, [&](auto number) -> int {
    using T = decltype(number);
    return SPECOPS_LAUNCH((around_fft_sums_kernel<T>), blocks_for(how.n_bins * how.lanes, how.n_images),
                          dim3(kAroundFftThreads), 0, stream, static_cast<const Coefficient<T>*>(X),
                          static_cast<const Coefficient<T>*>(Y), place, static_cast<const T*>(weight), first,
                          static_cast<T*>(sums), how.n_points, how.n_bins, how.lanes, scale_of<T>(scale, factor, eps));
  });
}

int launch_around_fft_gains(void* X, const void* profiles, const int32_t* index, const void* weight,
                            const int64_t* launch, int64_t scale, double factor, double eps, void* stream) {
  const Gains how = from_integers<Gains>(launch);
  return for_real(how.wide != 0, [&](auto number) -> int {
    using T = decltype(number);
    return SPECOPS_LAUNCH((around_fft_gains_kernel<T>), blocks_for(how.n_points, how.n_images), dim3(kAroundFftThreads),
                          0, stream, static_cast<Coefficient<T>*>(X), static_cast<const T*>(profiles), index,
                          static_cast<const T*>(weight), how.n_points, how.n_maps, how.profile_stride,
                          scale_of<T>(scale, factor, eps));
  });
}

int launch_around_fft_hermitian(void* X, const int64_t* launch, void* stream) {
  const HermitianColumns how = from_integers<HermitianColumns>(launch);
  return for_real(how.wide != 0, [&](auto number) -> int {
    using T = decltype(number);
    const int64_t n_pairs = how.n_images * how.n_edges * (how.n_rows / 2 + 1);
    return SPECOPS_LAUNCH((around_fft_hermitian_kernel<T>), blocks_for(n_pairs), dim3(kAroundFftThreads), 0, stream,
                          static_cast<Coefficient<T>*>(X), n_pairs, how.n_rows, how.n_columns, how.n_edges);
  });
}

int launch_around_fft_clip(const void* filtered, const void* b, void* swapped, int8_t* slopes, void* kept,
                           const int64_t* launch, double low, double high, void* stream) {
  const Clip how = from_integers<Clip>(launch);
  return for_real(how.wide != 0, [&](auto number) -> int {
    using T = decltype(number);
    const Range<T> range = {static_cast<T>(low), static_cast<T>(high)};
    return SPECOPS_LAUNCH((around_fft_clip_kernel<T>), blocks_for(how.n_pixels), dim3(kAroundFftThreads), 0, stream,
                          static_cast<const T*>(filtered), static_cast<const T*>(b), static_cast<T*>(swapped), slopes,
                          static_cast<T*>(kept), how.n_pixels, how.constant, range);
  });
}
