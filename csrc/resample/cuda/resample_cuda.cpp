#include "resample/cuda/resample_cuda.h"

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include "common/cuda/glue.h"
#include "resample/cuda/layout.h"

// Device and stream for the launchers of resample_cuda.h; specops/ops/resample/cuda.py makes outputs and layouts.
namespace specops {
namespace {

const int32_t* lists_of(const at::Tensor& folds) { return folds.numel() ? folds.const_data_ptr<int32_t>() : nullptr; }

void check_arguments(const at::Tensor& x, std::initializer_list<const at::Tensor*> others, at::IntArrayRef layout,
                     at::IntArrayRef launch) {
  check_device(x, others);
  checked<resample::Layout, int32_t>("layout", layout);
  checked<resample::Launch>("launch", launch);
}

void upfirdn2d_cuda(const at::Tensor& x, const at::Tensor& taps, const at::Tensor& factors, const at::Tensor& row_folds,
                    const at::Tensor& column_folds, const at::Tensor& out, at::IntArrayRef layout,
                    at::IntArrayRef launch) {
  check_arguments(x, {&taps, &factors, &row_folds, &column_folds, &out}, layout, launch);
  const c10::DeviceGuard guard(x.device());
  check_launch("upfirdn2d", launch_upfirdn2d(x.const_data_ptr(), taps.const_data_ptr(), factors.mutable_data_ptr(),
                                             lists_of(row_folds), lists_of(column_folds), out.mutable_data_ptr(),
                                             layout.data(), launch.data(), stream_of(x)));
}

void upfirdn2d_patches_cuda(const at::Tensor& x, const at::Tensor& taps, const at::Tensor& factors,
                            const at::Tensor& out, at::IntArrayRef layout, at::IntArrayRef launch) {
  check_arguments(x, {&taps, &factors, &out}, layout, launch);
  const c10::DeviceGuard guard(x.device());
  check_launch("upfirdn2d_patches",
               launch_upfirdn2d_patches(x.const_data_ptr(), taps.const_data_ptr(), factors.mutable_data_ptr(),
                                        out.mutable_data_ptr(), layout.data(), launch.data(), stream_of(x)));
}

void upfirdn2d_filter_correlation_cuda(const at::Tensor& x, const at::Tensor& y, const at::Tensor& sums,
                                       const at::Tensor& out, at::IntArrayRef layout, at::IntArrayRef launch) {
  check_arguments(x, {&y, &sums, &out}, layout, launch);
  const c10::DeviceGuard guard(x.device());
  check_launch(
      "upfirdn2d_filter_correlation",
      launch_upfirdn2d_filter_correlation(x.const_data_ptr(), y.const_data_ptr(), sums.mutable_data_ptr<double>(),
                                          out.mutable_data_ptr(), layout.data(), launch.data(), stream_of(x)));
}

}  // namespace
}  // namespace specops

TORCH_LIBRARY_FRAGMENT(specops_native, m) {
  m.def(
      "launch_upfirdn2d(Tensor x, Tensor taps, Tensor(a!) factors, Tensor row_folds, Tensor column_folds, Tensor(b!) "
      "out, int[] layout, int[] launch) -> ()");
  m.def(
      "launch_upfirdn2d_patches(Tensor x, Tensor taps, Tensor(a!) factors, Tensor(b!) out, int[] layout, int[] launch) "
      "-> ()");
  m.def(
      "launch_upfirdn2d_filter_correlation(Tensor x, Tensor y, Tensor(a!) sums, Tensor(b!) out, int[] layout, int[] "
      "launch) -> ()");
}

TORCH_LIBRARY_IMPL(specops_native, CUDA, m) {
  m.impl("launch_upfirdn2d", specops::upfirdn2d_cuda);
  m.impl("launch_upfirdn2d_patches", specops::upfirdn2d_patches_cuda);
  m.impl("launch_upfirdn2d_filter_correlation", specops::upfirdn2d_filter_correlation_cuda);
}
