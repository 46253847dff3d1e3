#include "spectral/cuda/spectral_cuda.h"

#include <tuple>

#include "common/cuda/glue.h"
#include "spectral/cuda/ops.h"

// The raw ops of the one-launch kernels, on what specops/ops/spectral/cuda.py has prepared.
namespace specops {
namespace {

constexpr ScalarType kReal = ScalarType::kFloat;

// The struct of a launch on images [..., H, W] like x.
template <class Launch>
Launch checked_launch(const Tensor& x, const Integers& launch) {
  SPECOPS_CHECK_VALUE(x.dim() >= 2, "images must be [..., H, W]; got ", x.sizes());
  const Launch how = checked<Launch>("launch", launch);
  check_count("images", x, how.n_images * how.height * how.width);
  return how;
}

Tensor binned_power_cuda(const Tensor& x, const Tensor& table, const Tensor& points, const Tensor& pools,
                         const Integers& launch) {
  check_tensors(kReal, {&x, &table}, {&points, &pools});
  const auto how = checked_launch<spectral::BinnedSums>(x, launch);
  Tensor sums = empty(shape_of_each(x, 2, {how.n_bins}), kReal, x.device());
  call("binned_power", launch_binned_power, x, table, points, pools, sums, launch);
  return sums;
}

Tensor binned_cross_spectrum_cuda(const Tensor& x, const Tensor& y, const Tensor& table, const Tensor& points,
                                  const Tensor& pools, const Integers& launch) {
  check_tensors(kReal, {&x, &y, &table}, {&points, &pools});
  const auto how = checked_launch<spectral::BinnedSums>(x, launch);
  check_count("images", y, x.numel());
  Tensor sums = empty(shape_of_each(x, 2, {how.n_bins}), kReal, x.device());
  call("binned_cross_spectrum", launch_binned_cross_spectrum, x, y, table, points, pools, sums, launch);
  return sums;
}

Tensor binned_filter_cuda(const Tensor& x, const Tensor& table, const Tensor& gains, const Tensor& profiles,
                          const Integers& launch) {
  check_tensors(kReal, {&x, &table, &profiles}, {&gains});
  checked_launch<spectral::BinnedFilter>(x, launch);
  Tensor y = empty(x.sizes(), kReal, x.device());
  call("binned_filter", launch_binned_filter, x, table, gains, profiles, y, launch);
  return y;
}

// Returns swapped, slopes and kept.
std::tuple<Tensor, Tensor, Tensor> clipped_band_swap_cuda(const Tensor& a, const Tensor& b, const Tensor& table,
                                                          const Tensor& gains, const Tensor& profiles,
                                                          const Integers& launch, double low, double high) {
  check_tensors(kReal, {&a, &b, &table, &profiles}, {&gains});
  const auto how = checked_launch<spectral::BandSwap>(a, launch);
  check_count("second images", b, how.constant != 0 ? 1 : a.numel());
  auto made = empty_swapped(a, how.keep != 0);
  auto& [swapped, slopes, kept] = made;
  call("clipped_band_swap", launch_clipped_band_swap, a, b, table, gains, profiles, swapped, slopes, kept, launch, low,
       high);
  return made;
}

}  // namespace

std::vector<Op> spectral_cuda_ops() {
  return {
      {"launch_binned_power(Tensor x, Tensor table, Tensor points, Tensor pools, int[] launch) -> Tensor",
       boxed<binned_power_cuda>},
      {"launch_binned_cross_spectrum(Tensor x, Tensor y, Tensor table, Tensor points, Tensor pools, int[] launch) -> "
       "Tensor",
       boxed<binned_cross_spectrum_cuda>},
      {"launch_binned_filter(Tensor x, Tensor table, Tensor gains, Tensor profiles, int[] launch) -> Tensor",
       boxed<binned_filter_cuda>},
      {"launch_clipped_band_swap(Tensor a, Tensor b, Tensor table, Tensor gains, Tensor profiles, int[] launch, float "
       "low, float high) -> (Tensor, Tensor, Tensor)",
       boxed<clipped_band_swap_cuda>},
  };
}

}  // namespace specops
