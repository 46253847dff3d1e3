#include "resample/cuda/resample_cuda.h"

#include <type_traits>

#include "common/cuda/fields.h"
#include "common/pixel.h"
#include "resample/cuda/layout.h"
#include "resample/cuda/patch.cuh"
#include "resample/cuda/resample_kernels.cuh"

// Launchers without torch: called by resample_cuda.cpp, and by the tests' emulation.
namespace specops::resample {

// Of a filter with several taps along both axes.
template <class T>
static cudaError_t find_factors(const Layout& layout, const Launch& launch, const T* f, double gain, T* factors,
                                void* stream) {
  if (launch.outer) {
    return SPECOPS_LAUNCH(outer_kernel<T>, 1, kWarp, 0, stream, f, layout.x.n_taps, static_cast<T>(gain), factors);
  }
  constexpr T roundoff = sizeof(T) == 8 ? T(0x1p-53) : T(0x1p-24f);
  return SPECOPS_LAUNCH(factor_kernel<T>, 1, kWarp, 0, stream, f, layout.y.n_taps, layout.x.n_taps, roundoff, factors);
}

// Calls launch(first block, blocks) as often as `blocks` do not fit one launch.
template <class F>
static cudaError_t for_launches(int64_t blocks, const F& launch) {
  constexpr int64_t most = INT32_MAX;
  cudaError_t error = cudaSuccess;
  for (int64_t first = 0; first < blocks && error == cudaSuccess; first += most) {
    error = launch(first, static_cast<unsigned>(blocks - first < most ? blocks - first : most));
  }
  return error;
}

// Calls f(Patch) for the factors and taps of both axes: PATCHES of specops/ops/resample/plans/tilings.py.
template <class Stored, class F>
static int for_patch(const TiledAxis& axis, const F& f) {
  const auto is = [&](int32_t up, int32_t down, int32_t taps) {
    return axis.up == up && axis.down == down && axis.n_taps == taps;
  };
  if (is(2, 1, 2)) return f(Patch<Stored, 2, 1, 2>{});
  if (is(2, 1, 4)) return f(Patch<Stored, 2, 1, 4>{});
  if (is(2, 1, 12)) return f(Patch<Stored, 2, 1, 12>{});
  if (is(1, 2, 2)) return f(Patch<Stored, 1, 2, 2>{});
  if (is(1, 2, 4)) return f(Patch<Stored, 1, 2, 4>{});
  if (is(1, 2, 12)) return f(Patch<Stored, 1, 2, 12>{});
  if (is(1, 1, 3)) return f(Patch<Stored, 1, 1, 3>{});
  if (is(1, 1, 4)) return f(Patch<Stored, 1, 1, 4>{});
  return cudaErrorInvalidValue;
}

// Calls f with a pixel of the type of the images.
template <class F>
static int for_pixel(const Launch& launch, const F& f) {
  switch (static_cast<Pixel>(launch.pixel)) {
    case Pixel::kHalf:
      return f(__half{});
    case Pixel::kBfloat16:
      return f(__nv_bfloat16{});
    case Pixel::kFloat:
      return f(float{});
    case Pixel::kDouble:
      return f(double{});
  }
  return cudaErrorInvalidValue;
}

}  // namespace specops::resample

using namespace specops;
using namespace specops::resample;

int launch_upfirdn2d(const void* x, const void* f, const int32_t* row_folds, const int32_t* column_folds, void* factors,
                     void* out, const int64_t* layout, const int64_t* launch, double gain, void* stream) {
  const Layout how = from_integers<Layout, int32_t>(layout);
  const Launch shape = from_integers<Launch>(launch);
  return for_pixel(shape, [&](auto pixel) -> int {
    using Stored = decltype(pixel);
    using T = typename Arithmetic<Stored>::Type;
    const T* const taps = static_cast<const T*>(f);
    cudaError_t error = cudaSuccess;
    if (how.y.n_taps > 1 && how.x.n_taps > 1) {
      error = find_factors(how, shape, taps, gain, static_cast<T*>(factors), stream);
    }
    if (error != cudaSuccess) return error;
    return for_launches(shape.blocks, [&](int64_t first, unsigned blocks) {
      return SPECOPS_LAUNCH(upfirdn2d_kernel<Stored>, blocks, static_cast<unsigned>(shape.threads),
                            static_cast<int>(shape.shared_bytes), stream, static_cast<const Stored*>(x), taps,
                            static_cast<const T*>(factors), row_folds, column_folds, static_cast<Stored*>(out), how,
                            first);
    });
  });
}

int launch_upfirdn2d_patches(const void* x, const void* f, void* factors, void* out, const int64_t* layout,
                             const int64_t* launch, double gain, void* stream) {
  const Layout how = from_integers<Layout, int32_t>(layout);
  const Launch shape = from_integers<Launch>(launch);
  const float* const taps = static_cast<const float*>(f);
  return for_pixel(shape, [&](auto pixel) -> int {
    using Stored = decltype(pixel);
    if constexpr (std::is_same_v<Stored, double>) {
      return cudaErrorInvalidValue;
    } else {
      return for_patch<Stored>(how.x, [&](auto patch) -> int {
        using P = decltype(patch);
        const cudaError_t error = find_factors(how, shape, taps, gain, static_cast<float*>(factors), stream);
        if (error != cudaSuccess) return error;
        return for_launches(shape.blocks, [&](int64_t first, unsigned blocks) {
          return SPECOPS_LAUNCH(upfirdn2d_patches_kernel<P>, blocks, kPatchThreads, 0, stream,
                                static_cast<const Stored*>(x), taps, static_cast<const float*>(factors),
                                static_cast<Stored*>(out), how, shape.planes, first);
        });
      });
    }
  });
}

int launch_upfirdn2d_filter_correlation(const void* x, const void* y, double* sums, void* out, const int64_t* layout,
                                        const int64_t* launch, void* stream) {
  const Layout how = from_integers<Layout, int32_t>(layout);
  const Launch shape = from_integers<Launch>(launch);
  return for_pixel(shape, [&](auto pixel) -> int {
    using Stored = decltype(pixel);
    using T = typename Arithmetic<Stored>::Type;
    const cudaError_t error =
        SPECOPS_LAUNCH(upfirdn2d_filter_correlation_kernel<Stored>, static_cast<unsigned>(shape.blocks),
                       static_cast<unsigned>(shape.threads), static_cast<int>(shape.shared_bytes), stream,
                       static_cast<const Stored*>(x), static_cast<const Stored*>(y), sums, how, shape.planes);
    if (error != cudaSuccess) return error;
    return SPECOPS_LAUNCH(sum_blocks_kernel<T>, static_cast<unsigned>(how.y.n_taps * how.x.n_taps), kWarp, 0, stream,
                          static_cast<const double*>(sums), shape.blocks, static_cast<T*>(out));
  });
}
