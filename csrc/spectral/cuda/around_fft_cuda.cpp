#include "spectral/cuda/around_fft_cuda.h"

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>
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
  const c10::DeviceGuard guard(X.device());
  check_launch("around_fft_sums",
               launch_around_fft_sums(X.const_data_ptr(), Y.const_data_ptr(), place.const_data_ptr<int32_t>(),
                                      weight.const_data_ptr(), first.const_data_ptr<int32_t>(), sums.mutable_data_ptr(),
                                      launch.data(), scale, factor, eps, stream_of(X)));
}

void around_fft_tile_sums_cuda(const at::Tensor& X, const at::Tensor& Y, const at::Tensor& points,
                               const at::Tensor& pools, const at::Tensor& of_tiles, const at::Tensor& sums,
                               at::IntArrayRef launch, int64_t scale, double factor, double eps) {
  check_tensors(real_type(checked<spectral::TileSums>("launch", launch).wide), X, {&Y, &of_tiles, &sums},
                {&points, &pools});
  const c10::DeviceGuard guard(X.device());
  check_launch("around_fft_tile_sums",
               launch_around_fft_tile_sums(X.const_data_ptr(), Y.const_data_ptr(), points.const_data_ptr<int32_t>(),
                                           pools.const_data_ptr<int32_t>(), of_tiles.mutable_data_ptr(),
                                           sums.mutable_data_ptr(), launch.data(), scale, factor, eps, stream_of(X)));
}

void around_fft_gains_cuda(const at::Tensor& X, const at::Tensor& profiles, const at::Tensor& index,
                           const at::Tensor& weight, at::IntArrayRef launch, int64_t scale, double factor, double eps) {
  check_tensors(real_type(checked<spectral::Gains>("launch", launch).wide), X, {&profiles, &weight}, {&index});
  const c10::DeviceGuard guard(X.device());
  check_launch("around_fft_gains",
               launch_around_fft_gains(X.mutable_data_ptr(), profiles.const_data_ptr(), index.const_data_ptr<int32_t>(),
                                       weight.const_data_ptr(), launch.data(), scale, factor, eps, stream_of(X)));
}

void around_fft_hermitian_cuda(const at::Tensor& X, at::IntArrayRef launch) {
  check_tensors(real_type(checked<spectral::HermitianColumns>("launch", launch).wide), X, {}, {});
  const c10::DeviceGuard guard(X.device());
  check_launch("around_fft_hermitian", launch_around_fft_hermitian(X.mutable_data_ptr(), launch.data(), stream_of(X)));
}

void around_fft_clip_cuda(const at::Tensor& filtered, const at::Tensor& b, const at::Tensor& swapped,
                          const at::Tensor& slopes, const at::Tensor& kept, at::IntArrayRef launch, double low,
                          double high) {
  check_tensors(real_type(checked<spectral::Clip>("launch", launch).wide), filtered, {&b, &swapped, &kept}, {});
  check_device(filtered, {&slopes});
  const c10::DeviceGuard guard(filtered.device());
  void* const kept_pixels = kept.numel() > 0 ? kept.mutable_data_ptr() : nullptr;
  check_launch("around_fft_clip", launch_around_fft_clip(filtered.const_data_ptr(), b.const_data_ptr(),
                                                         swapped.mutable_data_ptr(), slopes.mutable_data_ptr<int8_t>(),
                                                         kept_pixels, launch.data(), low, high, stream_of(filtered)));
}

}  // namespace
}  // namespace specops

TORCH_LIBRARY_FRAGMENT(specops_native, m) {
  m.def(
      "launch_around_fft_sums(Tensor X, Tensor Y, Tensor place, Tensor weight, Tensor first, Tensor(a!) sums, int[] "
      "launch, int scale, float factor, float eps) -> ()");
  m.def(
      "launch_around_fft_tile_sums(Tensor X, Tensor Y, Tensor points, Tensor pools, Tensor(a!) of_tiles, Tensor(b!) "
      "sums, int[] launch, int scale, float factor, float eps) -> ()");
  m.def(
      "launch_around_fft_gains(Tensor(a!) X, Tensor profiles, Tensor index, Tensor weight, int[] launch, int scale, "
      "float factor, float eps) -> ()");
  m.def("launch_around_fft_hermitian(Tensor(a!) X, int[] launch) -> ()");
  m.def(
      "launch_around_fft_clip(Tensor filtered, Tensor b, Tensor(a!) swapped, Tensor(b!) slopes, Tensor(c!) kept, int[] "
      "launch, float low, float high) -> ()");
}

TORCH_LIBRARY_IMPL(specops_native, CUDA, m) {
  m.impl("launch_around_fft_sums", specops::around_fft_sums_cuda);
  m.impl("launch_around_fft_tile_sums", specops::around_fft_tile_sums_cuda);
  m.impl("launch_around_fft_gains", specops::around_fft_gains_cuda);
  m.impl("launch_around_fft_hermitian", specops::around_fft_hermitian_cuda);
  m.impl("launch_around_fft_clip", specops::around_fft_clip_cuda);
}
