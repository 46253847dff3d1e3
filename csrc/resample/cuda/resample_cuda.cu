#include "resample/cuda/resample_cuda.h"

#include <type_traits>

#include "common/cuda/fields.h"
#include "common/pixel.h"
#include "resample/cuda/layout.h"
#include "resample/cuda/patch.cuh"
#include "resample/cuda/resample_kernels.cuh"

// Launchers without torch: called by resample_cuda.cpp, and by the tests' emulation.
namespace specops::resample {

template <class T>
static cudaError_t find_factors(const Layout& layout, const T* f, T* factors, void* stream) {
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

template <class Stored>
static cudaError_t upfirdn2d(const void* x, const void* f, void* factors, const int32_t* row_folds,
                             const int32_t* column_folds, void* out, const Layout& layout, const Launch& launch,
                             void* stream) {
  using T = typename Arithmetic<Stored>::Type;
  const T* const taps = static_cast<const T*>(f);
  cudaError_t error = cudaSuccess;
  if (layout.y.n_taps > 1 && layout.x.n_taps > 1) error = find_factors(layout, taps, static_cast<T*>(factors), stream);
  if (error != cudaSuccess) return error;
  return for_launches(launch.blocks, [&](int64_t first, unsigned blocks) {
    return SPECOPS_LAUNCH(upfirdn2d_kernel<Stored>, blocks, static_cast<unsigned>(launch.threads),
                          static_cast<int>(launch.shared_bytes), stream, static_cast<const Stored*>(x), taps,
                          static_cast<const T*>(factors), row_folds, column_folds, static_cast<Stored*>(out), layout,
                          first);
  });
}

template <class P>
static cudaError_t upfirdn2d_patches(const void* x, const void* f, void* factors, void* out, const Layout& layout,
                                     const Launch& launch, void* stream) {
  using Stored = typename P::Stored;
  const float* const taps = static_cast<const float*>(f);
  const cudaError_t error = find_factors(layout, taps, static_cast<float*>(factors), stream);
  if (error != cudaSuccess) return error;
  return for_launches(launch.blocks, [&](int64_t first, unsigned blocks) {
    return SPECOPS_LAUNCH(upfirdn2d_patches_kernel<P>, blocks, kPatchThreads, 0, stream, static_cast<const Stored*>(x),
                          taps, static_cast<const float*>(factors), static_cast<Stored*>(out), layout, launch.planes,
                          first);
  });
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

template <class Stored>
static cudaError_t correlate(const void* x, const void* y, double* sums, void* out, const Layout& layout,
                             const Launch& launch, void* stream) {
  using T = typename Arithmetic<Stored>::Type;
  const cudaError_t error =
      SPECOPS_LAUNCH(upfirdn2d_filter_correlation_kernel<Stored>, static_cast<unsigned>(launch.blocks),
                     static_cast<unsigned>(launch.threads), static_cast<int>(launch.shared_bytes), stream,
                     static_cast<const Stored*>(x), static_cast<const Stored*>(y), sums, layout, launch.planes);
  if (error != cudaSuccess) return error;
  return SPECOPS_LAUNCH(sum_blocks_kernel<T>, static_cast<unsigned>(layout.y.n_taps * layout.x.n_taps), kWarp, 0,
                        stream, static_cast<const double*>(sums), launch.blocks, static_cast<T*>(out));
}

// Calls f with a null pointer to the type of a pixel.
template <class F>
static int for_pixel(const Launch& launch, const F& f) {
  switch (static_cast<Pixel>(launch.pixel)) {
    case Pixel::kHalf:
      return f(static_cast<__half*>(nullptr));
    case Pixel::kBfloat16:
      return f(static_cast<__nv_bfloat16*>(nullptr));
    case Pixel::kFloat:
      return f(static_cast<float*>(nullptr));
    case Pixel::kDouble:
      return f(static_cast<double*>(nullptr));
  }
  return cudaErrorInvalidValue;
}

}  // namespace specops::resample

using namespace specops;
using namespace specops::resample;

int launch_upfirdn2d(const void* x, const void* f, void* factors, const int32_t* row_folds, const int32_t* column_folds,
                     void* out, const int64_t* layout, const int64_t* launch, void* stream) {
  const Layout how = from_integers<Layout, int32_t>(layout);
  const Launch shape = from_integers<Launch>(launch);
  return for_pixel(shape, [&](auto* pixel) {
    using Stored = std::remove_pointer_t<decltype(pixel)>;
    return upfirdn2d<Stored>(x, f, factors, row_folds, column_folds, out, how, shape, stream);
  });
}

int launch_upfirdn2d_patches(const void* x, const void* f, void* factors, void* out, const int64_t* layout,
                             const int64_t* launch, void* stream) {
  const Layout how = from_integers<Layout, int32_t>(layout);
  const Launch shape = from_integers<Launch>(launch);
  return for_pixel(shape, [&](auto* pixel) -> int {
    using Stored = std::remove_pointer_t<decltype(pixel)>;
    if constexpr (std::is_same_v<Stored, double>) {
      return cudaErrorInvalidValue;
    } else {
      return for_patch<Stored>(how.x, [&](auto patch) -> int {
        return upfirdn2d_patches<decltype(patch)>(x, f, factors, out, how, shape, stream);
      });
    }
  });
}

int launch_upfirdn2d_filter_correlation(const void* x, const void* y, double* sums, void* out, const int64_t* layout,
                                        const int64_t* launch, void* stream) {
  const Layout how = from_integers<Layout, int32_t>(layout);
  const Launch shape = from_integers<Launch>(launch);
  return for_pixel(shape, [&](auto* pixel) {
    return correlate<std::remove_pointer_t<decltype(pixel)>>(x, y, sums, out, how, shape, stream);
  });
}
