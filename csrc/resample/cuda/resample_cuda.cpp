#include "resample/cuda/resample_cuda.h"

#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include "common/cuda/glue.h"
#include "resample/cuda/layout.h"

// Device and stream for the launchers of resample_cuda.h; specops/ops/resample/cuda.py makes outputs and layouts.
namespace specops {
namespace {

void check_structs(at::IntArrayRef layout, at::IntArrayRef launch) {
  checked<resample::Layout, int32_t>("layout", layout);
  checked<resample::Launch>("launch", launch);
}

void upfirdn2d_cuda(const at::Tensor& x, const at::Tensor& taps, const at::Tensor& factors, const at::Tensor& row_folds,
                    const at::Tensor& column_folds, const at::Tensor& out, at::IntArrayRef layout,
                    at::IntArrayRef launch) {
  check_structs(layout, launch);
  call("upfirdn2d", launch_upfirdn2d, x, taps, factors, row_folds, column_folds, out, layout, launch);
}

void upfirdn2d_patches_cuda(const at::Tensor& x, const at::Tensor& taps, const at::Tensor& factors,
                            const at::Tensor& out, at::IntArrayRef layout, at::IntArrayRef launch) {
  check_structs(layout, launch);
  call("upfirdn2d_patches", launch_upfirdn2d_patches, x, taps, factors, out, layout, launch);
}

void upfirdn2d_filter_correlation_cuda(const at::Tensor& x, const at::Tensor& y, const at::Tensor& sums,
                                       const at::Tensor& out, at::IntArrayRef layout, at::IntArrayRef launch) {
  check_structs(layout, launch);
  call("upfirdn2d_filter_correlation", launch_upfirdn2d_filter_correlation, x, y, sums, out, layout, launch);
}

}  // namespace
}  // namespace specops

TORCH_LIBRARY_FRAGMENT(specops_native, m) {
  m.def(
      "launch_upfirdn2d(Tensor x, Tensor taps, Tensor(a!) factors, Tensor row_folds, Tensor column_folds, Tensor(b!) "
      "out, int[] layout, int[] launch) -> ()",
      torch::dispatch(c10::kCUDA, specops::upfirdn2d_cuda));
  m.def(
      "launch_upfirdn2d_patches(Tensor x, Tensor taps, Tensor(a!) factors, Tensor(b!) out, int[] layout, int[] launch) "
      "-> ()",
      torch::dispatch(c10::kCUDA, specops::upfirdn2d_patches_cuda));
  m.def(
      "launch_upfirdn2d_filter_correlation(Tensor x, Tensor y, Tensor(a!) sums, Tensor(b!) out, int[] layout, int[] "
      "launch) -> ()",
      torch::dispatch(c10::kCUDA, specops::upfirdn2d_filter_correlation_cuda));
}
