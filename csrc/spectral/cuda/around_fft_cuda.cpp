#include "spectral/cuda/around_fft_cuda.h"

#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include "common/cuda/glue.h"

// Device and stream for the launchers; specops/ops/spectral/cuda.py makes spectra, plans and outputs.
namespace specops {
namespace {

at::ScalarType real_type(int64_t wide) { return wide != 0 ? at::kDouble : at::kFloat; }

void around_fft_sums_cuda(const at::Tensor& X, const at::Tensor& Y, const at::Tensor& place, const at::Tensor& weight,
                          const at::Tensor& first, const at::Tensor& sums, at::IntArrayRef launch, int64_t scale,
                          double factor, double eps) {
  check_tensors(real_type(checked<spectral::BinSums>("launch", launch).wide), X, {&Y, &weight, &sums},
                {&place, &first});
  call("around_fft_sums", launch_around_fft_sums, X, Y, place, weight, first, sums, launch, scale, factor, eps);
}

void around_fft_tile_sums_cuda(const at::Tensor& X, const at::Tensor& Y, const at::Tensor& points,
                               const at::Tensor& pools, const at::Tensor& of_tiles, const at::Tensor& sums,
                               at::IntArrayRef launch, int64_t scale, double factor, double eps) {
  check_tensors(real_type(checked<spectral::TileSums>("launch", launch).wide), X, {&Y, &of_tiles, &sums},
                {&points, &pools});
  call("around_fft_tile_sums", launch_around_fft_tile_sums, X, Y, points, pools, of_tiles, sums, launch, scale, factor,
       eps);
}

void around_fft_gains_cuda(const at::Tensor& X, const at::Tensor& profiles, const at::Tensor& index,
                           const at::Tensor& weight, at::IntArrayRef launch, int64_t scale, double factor, double eps) {
  check_tensors(real_type(checked<spectral::Gains>("launch", launch).wide), X, {&profiles, &weight}, {&index});
  call("around_fft_gains", launch_around_fft_gains, X, profiles, index, weight, launch, scale, factor, eps);
}

void around_fft_hermitian_cuda(const at::Tensor& X, at::IntArrayRef launch) {
  check_tensors(real_type(checked<spectral::HermitianColumns>("launch", launch).wide), X, {}, {});
  call("around_fft_hermitian", launch_around_fft_hermitian, X, launch);
}

void around_fft_clip_cuda(const at::Tensor& filtered, const at::Tensor& b, const at::Tensor& swapped,
                          const at::Tensor& slopes, const at::Tensor& kept, at::IntArrayRef launch, double low,
                          double high) {
  check_tensors(real_type(checked<spectral::Clip>("launch", launch).wide), filtered, {&b, &swapped, &kept}, {});
  call("around_fft_clip", launch_around_fft_clip, filtered, b, swapped, slopes, kept, launch, low, high);
}

}  // namespace
}  // namespace specops

TORCH_LIBRARY_FRAGMENT(specops_native, m) {
  m.def(
      "launch_around_fft_sums(Tensor X, Tensor Y, Tensor place, Tensor weight, Tensor first, Tensor(a!) sums, int[] "
      "launch, int scale, float factor, float eps) -> ()",
      torch::dispatch(c10::kCUDA, specops::around_fft_sums_cuda));
  m.def(
      "launch_around_fft_tile_sums(Tensor X, Tensor Y, Tensor points, Tensor pools, Tensor(a!) of_tiles, Tensor(b!) "
      "sums, int[] launch, int scale, float factor, float eps) -> ()",
      torch::dispatch(c10::kCUDA, specops::around_fft_tile_sums_cuda));
  m.def(
      "launch_around_fft_gains(Tensor(a!) X, Tensor profiles, Tensor index, Tensor weight, int[] launch, int scale, "
      "float factor, float eps) -> ()",
      torch::dispatch(c10::kCUDA, specops::around_fft_gains_cuda));
  m.def("launch_around_fft_hermitian(Tensor(a!) X, int[] launch) -> ()",
        torch::dispatch(c10::kCUDA, specops::around_fft_hermitian_cuda));
  m.def(
      "launch_around_fft_clip(Tensor filtered, Tensor b, Tensor(a!) swapped, Tensor(b!) slopes, Tensor(c!) kept, int[] "
      "launch, float low, float high) -> ()",
      torch::dispatch(c10::kCUDA, specops::around_fft_clip_cuda));
}
