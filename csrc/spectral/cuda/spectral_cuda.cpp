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
Launch checked_launch(const Tensor& x, const Tensor& launch) {
  SPECOPS_CHECK_TYPE(x.type() <= ScalarType::kFloat, "images must be float16, bfloat16 or float32; got ", x.type());
  SPECOPS_CHECK_VALUE(x.dim() >= 2, "images must be [..., H, W]; got ", x.sizes());
  const Launch how = checked<Launch>("launch", launch);
  check_count("images", x, how.n_images * how.height * how.width);
  return how;
}

// Memory is read from profiles + image * profile_stride on.
void check_profiles(const spectral::BinnedFilter& how, const Tensor& profiles) {
  if (how.profile_stride != 0) check_count("profiles", profiles, how.n_images * how.profile_stride);
}

// Contiguous images of float32.
Pixels pixels(const Tensor& x) {
  return {x, x.type() == kReal && x.is_contiguous(), [&] { return empty(x.sizes(), kReal, x.device()); }};
}

Tensor binned_power_cuda(const Tensor& x, const Tensor& table, const Tensor& points, const Tensor& pools,
                         const Tensor& launch) {
  check_tensors(kReal, {&table}, {&points, &pools});
  const auto how = checked_launch<spectral::BinnedSums>(x, launch);
  Tensor sums = empty(shape_of_each(x, 2, {how.n_bins}), kReal, x.device());
  call("binned_power", launch_binned_power, *pixels(x), table, points, pools, sums, numbers(launch));
  return sums;
}

Tensor binned_cross_spectrum_cuda(const Tensor& x, const Tensor& y, const Tensor& table, const Tensor& points,
                                  const Tensor& pools, const Tensor& launch) {
  check_tensors(kReal, {&table}, {&points, &pools});
  const auto how = checked_launch<spectral::BinnedSums>(x, launch);
  check_count("images", y, x.numel());
  Tensor sums = empty(shape_of_each(x, 2, {how.n_bins}), kReal, x.device());
  call("binned_cross_spectrum", launch_binned_cross_spectrum, *pixels(x), *pixels(y), table, points, pools, sums,
       numbers(launch));
  return sums;
}

Tensor binned_filter_cuda(const Tensor& x, const Tensor& table, const Tensor& gains, const Tensor& profiles,
                          const Tensor& launch) {
  check_tensors(kReal, {&table, &profiles}, {&gains});
  check_profiles(checked_launch<spectral::BinnedFilter>(x, launch), profiles);
  Tensor y = empty(x.sizes(), kReal, x.device());
  call("binned_filter", launch_binned_filter, *pixels(x), table, gains, profiles, y, numbers(launch));
  return in_type(std::move(y), x.type());
}

Tensor binned_sloped_filter_cuda(const Tensor& x, const Tensor& slopes, const Tensor& table, const Tensor& gains,
                                 const Tensor& profiles, const Tensor& launch) {
  check_tensors(kReal, {&table, &profiles}, {&gains});
  check_profiles(checked_launch<spectral::BinnedFilter>(x, launch), profiles);
  check_count("slopes", slopes, x.numel());
  const Pixels dense(slopes, slopes.is_contiguous(),
                     [&] { return empty(slopes.sizes(), ScalarType::kInt8, slopes.device()); });
  Tensor y = empty(x.sizes(), kReal, x.device());
  call("binned_sloped_filter", launch_binned_sloped_filter, *pixels(x), *dense, table, gains, profiles, y,
       numbers(launch));
  return in_type(std::move(y), x.type());
}

// Returns filtered and slopes; `constant` is one number.
std::tuple<Tensor, Tensor> clipped_filter_cuda(const Tensor& x, const Tensor& constant, const Tensor& table,
                                               const Tensor& gains, const Tensor& profiles, const Tensor& launch,
                                               double low, double high) {
  check_tensors(kReal, {&table, &profiles, &constant}, {&gains});
  check_profiles(checked_launch<spectral::BinnedFilter>(x, launch), profiles);
  check_count("constants", constant, 1);
  Tensor filtered = empty(x.sizes(), kReal, x.device()), slopes = empty(x.sizes(), ScalarType::kInt8, x.device());
  call("clipped_filter", launch_clipped_filter, *pixels(x), constant, table, gains, profiles, filtered, slopes,
       numbers(launch), low, high);
  return {in_type(std::move(filtered), x.type()), std::move(slopes)};
}

// Returns swapped, slopes and kept.
std::tuple<Tensor, Tensor, Tensor> clipped_band_swap_cuda(const Tensor& a, const Tensor& b, const Tensor& table,
                                                          const Tensor& gains, const Tensor& profiles,
                                                          const Tensor& launch, double low, double high) {
  check_tensors(kReal, {&table, &profiles}, {&gains});
  const auto how = checked_launch<spectral::BandSwap>(a, launch);
  check_profiles(how, profiles);
  check_count("second images", b, a.numel());
  auto [swapped, slopes, kept] = empty_swapped(a, kReal, how.keep != 0);
  call("clipped_band_swap", launch_clipped_band_swap, *pixels(a), *pixels(b), table, gains, profiles, swapped, slopes,
       kept, numbers(launch), low, high);
  return {in_type(std::move(swapped), a.type()), std::move(slopes), in_type(std::move(kept), a.type())};
}

}  // namespace

std::vector<Op> spectral_cuda_ops() {
  return {
      {"launch_binned_power(Tensor x, Tensor table, Tensor points, Tensor pools, Tensor launch) -> Tensor",
       boxed<binned_power_cuda>},
      {"launch_binned_cross_spectrum(Tensor x, Tensor y, Tensor table, Tensor points, Tensor pools, Tensor launch) -> "
       "Tensor",
       boxed<binned_cross_spectrum_cuda>},
      {"launch_binned_filter(Tensor x, Tensor table, Tensor gains, Tensor profiles, Tensor launch) -> Tensor",
       boxed<binned_filter_cuda>},
      {"launch_binned_sloped_filter(Tensor x, Tensor slopes, Tensor table, Tensor gains, Tensor profiles, "
       "Tensor launch) -> Tensor",
       boxed<binned_sloped_filter_cuda>},
      {"launch_clipped_filter(Tensor x, Tensor constant, Tensor table, Tensor gains, Tensor profiles, Tensor launch, "
       "float low, float high) -> (Tensor, Tensor)",
       boxed<clipped_filter_cuda>},
      {"launch_clipped_band_swap(Tensor a, Tensor b, Tensor table, Tensor gains, Tensor profiles, Tensor launch, float "
       "low, float high) -> (Tensor, Tensor, Tensor)",
       boxed<clipped_band_swap_cuda>},
  };
}

}  // namespace specops
