#include "spectral/cuda/spectral_cuda.h"

#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include "common/cuda/glue.h"

// Device and stream for the launchers; specops/ops/spectral/cuda.py makes plans and outputs.
namespace specops {
namespace {

void binned_power_cuda(const at::Tensor& x, const at::Tensor& table, const at::Tensor& points, const at::Tensor& pools,
                       const at::Tensor& sums, at::IntArrayRef launch) {
  check_tensors(at::kFloat, x, {&table, &sums}, {&points, &pools});
  checked<spectral::BinnedSums>("launch", launch);
  call("binned_power", launch_binned_power, x, table, points, pools, sums, launch);
}

void binned_cross_spectrum_cuda(const at::Tensor& x, const at::Tensor& y, const at::Tensor& table,
                                const at::Tensor& points, const at::Tensor& pools, const at::Tensor& sums,
                                at::IntArrayRef launch) {
  check_tensors(at::kFloat, x, {&y, &table, &sums}, {&points, &pools});
  checked<spectral::BinnedSums>("launch", launch);
  call("binned_cross_spectrum", launch_binned_cross_spectrum, x, y, table, points, pools, sums, launch);
}

void binned_filter_cuda(const at::Tensor& x, const at::Tensor& table, const at::Tensor& gains,
                        const at::Tensor& profiles, const at::Tensor& y, at::IntArrayRef launch) {
  check_tensors(at::kFloat, x, {&table, &profiles, &y}, {&gains});
  checked<spectral::BinnedFilter>("launch", launch);
  call("binned_filter", launch_binned_filter, x, table, gains, profiles, y, launch);
}

void clipped_band_swap_cuda(const at::Tensor& a, const at::Tensor& b, const at::Tensor& table, const at::Tensor& gains,
                            const at::Tensor& profiles, const at::Tensor& swapped, const at::Tensor& slopes,
                            const at::Tensor& kept, at::IntArrayRef launch, double low, double high) {
  check_tensors(at::kFloat, a, {&b, &table, &profiles, &swapped, &kept}, {&gains});
  checked<spectral::BandSwap>("launch", launch);
  call("clipped_band_swap", launch_clipped_band_swap, a, b, table, gains, profiles, swapped, slopes, kept, launch, low,
       high);
}

}  // namespace
}  // namespace specops

TORCH_LIBRARY_FRAGMENT(specops_native, m) {
  m.def("launch_binned_power(Tensor x, Tensor table, Tensor points, Tensor pools, Tensor(a!) sums, int[] launch) -> ()",
        torch::dispatch(c10::kCUDA, specops::binned_power_cuda));
  m.def(
      "launch_binned_cross_spectrum(Tensor x, Tensor y, Tensor table, Tensor points, Tensor pools, Tensor(a!) sums, "
      "int[] launch) -> ()",
      torch::dispatch(c10::kCUDA, specops::binned_cross_spectrum_cuda));
  m.def("launch_binned_filter(Tensor x, Tensor table, Tensor gains, Tensor profiles, Tensor(a!) y, int[] launch) -> ()",
        torch::dispatch(c10::kCUDA, specops::binned_filter_cuda));
  m.def(
      "launch_clipped_band_swap(Tensor a, Tensor b, Tensor table, Tensor gains, Tensor profiles, Tensor(a!) swapped, "
      "Tensor(b!) slopes, Tensor(c!) kept, int[] launch, float low, float high) -> ()",
      torch::dispatch(c10::kCUDA, specops::clipped_band_swap_cuda));
}
