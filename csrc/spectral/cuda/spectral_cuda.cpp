#include "spectral/cuda/spectral_cuda.h"

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include "common/cuda/glue.h"

// Device and stream for the launchers; specops/ops/spectral/cuda.py makes plans and outputs.
namespace specops {
namespace {

void binned_power_cuda(const at::Tensor& x, const at::Tensor& table, const at::Tensor& points, const at::Tensor& pools,
                       const at::Tensor& sums, at::IntArrayRef launch) {
  check_tensors(at::kFloat, x, {&table, &sums}, {&points, &pools});
  checked<spectral::BinnedSums>("launch", launch);
  const c10::DeviceGuard guard(x.device());
  check_launch("binned_power", launch_binned_power(x.const_data_ptr<float>(), table.const_data_ptr<float>(),
                                                   points.const_data_ptr<int32_t>(), pools.const_data_ptr<int32_t>(),
                                                   sums.mutable_data_ptr<float>(), launch.data(), stream_of(x)));
}

void binned_cross_spectrum_cuda(const at::Tensor& x, const at::Tensor& y, const at::Tensor& table,
                                const at::Tensor& points, const at::Tensor& pools, const at::Tensor& sums,
                                at::IntArrayRef launch) {
  check_tensors(at::kFloat, x, {&y, &table, &sums}, {&points, &pools});
  checked<spectral::BinnedSums>("launch", launch);
  const c10::DeviceGuard guard(x.device());
  check_launch(
      "binned_cross_spectrum",
      launch_binned_cross_spectrum(x.const_data_ptr<float>(), y.const_data_ptr<float>(), table.const_data_ptr<float>(),
                                   points.const_data_ptr<int32_t>(), pools.const_data_ptr<int32_t>(),
                                   sums.mutable_data_ptr<float>(), launch.data(), stream_of(x)));
}

void binned_filter_cuda(const at::Tensor& x, const at::Tensor& table, const at::Tensor& gains,
                        const at::Tensor& profiles, const at::Tensor& y, at::IntArrayRef launch) {
  check_tensors(at::kFloat, x, {&table, &profiles, &y}, {&gains});
  checked<spectral::BinnedFilter>("launch", launch);
  const c10::DeviceGuard guard(x.device());
  check_launch("binned_filter", launch_binned_filter(x.const_data_ptr<float>(), table.const_data_ptr<float>(),
                                                     gains.const_data_ptr<int32_t>(), profiles.const_data_ptr<float>(),
                                                     y.mutable_data_ptr<float>(), launch.data(), stream_of(x)));
}

void clipped_band_swap_cuda(const at::Tensor& a, const at::Tensor& b, const at::Tensor& table, const at::Tensor& gains,
                            const at::Tensor& profiles, const at::Tensor& swapped, const at::Tensor& slopes,
                            const at::Tensor& kept, at::IntArrayRef launch, double low, double high) {
  check_tensors(at::kFloat, a, {&b, &table, &profiles, &swapped, &kept}, {&gains});
  checked<spectral::BandSwap>("launch", launch);
  const c10::DeviceGuard guard(a.device());
  float* const kept_pixels = kept.numel() > 0 ? kept.mutable_data_ptr<float>() : nullptr;
  check_launch("clipped_band_swap",
               launch_clipped_band_swap(
                   a.const_data_ptr<float>(), b.const_data_ptr<float>(), table.const_data_ptr<float>(),
                   gains.const_data_ptr<int32_t>(), profiles.const_data_ptr<float>(), swapped.mutable_data_ptr<float>(),
                   slopes.mutable_data_ptr<int8_t>(), kept_pixels, launch.data(), low, high, stream_of(a)));
}

}  // namespace
}  // namespace specops

TORCH_LIBRARY_FRAGMENT(specops_native, m) {
  m.def(
      "launch_binned_power(Tensor x, Tensor table, Tensor points, Tensor pools, Tensor(a!) sums, int[] launch) -> ()");
  m.def(
      "launch_binned_cross_spectrum(Tensor x, Tensor y, Tensor table, Tensor points, Tensor pools, Tensor(a!) sums, "
      "int[] launch) -> ()");
  m.def(
      "launch_binned_filter(Tensor x, Tensor table, Tensor gains, Tensor profiles, Tensor(a!) y, int[] launch) -> ()");
  m.def(
      "launch_clipped_band_swap(Tensor a, Tensor b, Tensor table, Tensor gains, Tensor profiles, Tensor(a!) swapped, "
      "Tensor(b!) slopes, Tensor(c!) kept, int[] launch, float low, float high) -> ()");
}

TORCH_LIBRARY_IMPL(specops_native, CUDA, m) {
  m.impl("launch_binned_power", specops::binned_power_cuda);
  m.impl("launch_binned_cross_spectrum", specops::binned_cross_spectrum_cuda);
  m.impl("launch_binned_filter", specops::binned_filter_cuda);
  m.impl("launch_clipped_band_swap", specops::clipped_band_swap_cuda);
}
