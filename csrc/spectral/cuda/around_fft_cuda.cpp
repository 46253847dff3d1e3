#include "spectral/cuda/around_fft_cuda.h"

#include <tuple>

#include "common/cuda/glue.h"
#include "spectral/cuda/ops.h"

// The raw ops around torch.fft, on what specops/ops/spectral/cuda.py has prepared.
namespace specops {
namespace {

ScalarType real_type(int64_t wide) { return wide != 0 ? ScalarType::kDouble : ScalarType::kFloat; }

// The struct of a launch on spectra [..., H, W/2+1, 2] like X.
template <class Launch>
Launch checked_launch(const Tensor& X, const Tensor& launch) {
  SPECOPS_CHECK_VALUE(X.dim() >= 3, "spectra must be [..., H, W/2+1, 2]; got ", X.sizes());
  const Launch how = checked<Launch>("launch", launch);
  check_count("spectra", X, 2 * how.n_images * how.n_points);
  return how;
}

Tensor around_fft_sums_cuda(const Tensor& X, const Tensor& Y, const Tensor& place, const Tensor& weight,
                            const Tensor& first, const Tensor& launch, int64_t scale, double factor, double eps) {
  const auto how = checked_launch<spectral::BinSums>(X, launch);
  check_tensors(real_type(how.wide), {&X, &Y, &weight}, {&place, &first});
  check_count("spectra", Y, X.numel());
  Tensor sums = empty(shape_of_each(X, 3, {how.n_bins}), X.type(), X.device());
  call("around_fft_sums", launch_around_fft_sums, X, Y, place, weight, first, sums, numbers(launch), scale, factor,
       eps);
  return sums;
}

Tensor around_fft_tile_sums_cuda(const Tensor& X, const Tensor& Y, const Tensor& points, const Tensor& pools,
                                 const Tensor& launch, int64_t scale, double factor, double eps) {
  const auto how = checked_launch<spectral::TileSums>(X, launch);
  check_tensors(real_type(how.wide), {&X, &Y}, {&points, &pools});
  check_count("spectra", Y, X.numel());
  Tensor sums = empty(shape_of_each(X, 3, {how.n_bins}), X.type(), X.device());
  const int64_t n_parts = how.n_tiles > 1 ? how.n_images * how.n_tiles * how.n_bins : 0;
  const Tensor of_tiles = empty(std::vector<int64_t>{n_parts}, X.type(), X.device());
  call("around_fft_tile_sums", launch_around_fft_tile_sums, X, Y, points, pools, of_tiles, sums, numbers(launch), scale,
       factor, eps);
  return sums;
}

void around_fft_gains_cuda(const Tensor& X, const Tensor& profiles, const Tensor& index, const Tensor& weight,
                           const Tensor& launch, int64_t scale, double factor, double eps) {
  const auto how = checked_launch<spectral::Gains>(X, launch);
  check_tensors(real_type(how.wide), {&X, &profiles, &weight}, {&index});
  call("around_fft_gains", launch_around_fft_gains, X, profiles, index, weight, numbers(launch), scale, factor, eps);
}

void around_fft_hermitian_cuda(const Tensor& X, const Tensor& launch) {
  const auto how = checked<spectral::HermitianColumns>("launch", launch);
  check_tensors(real_type(how.wide), {&X}, {});
  check_count("spectra", X, 2 * how.n_images * how.n_rows * how.n_columns);
  call("around_fft_hermitian", launch_around_fft_hermitian, X, numbers(launch));
}

// Returns swapped, slopes and kept.
std::tuple<Tensor, Tensor, Tensor> around_fft_clip_cuda(const Tensor& filtered, const Tensor& b, const Tensor& launch,
                                                        double low, double high) {
  const auto how = checked<spectral::Clip>("launch", launch);
  check_tensors(real_type(how.wide), {&filtered, &b}, {});
  check_count("images", filtered, how.n_pixels);
  check_count("second images", b, how.constant != 0 ? 1 : how.n_pixels);
  auto made = empty_swapped(filtered, filtered.type(), how.keep != 0);
  auto& [swapped, slopes, kept] = made;
  call("around_fft_clip", launch_around_fft_clip, filtered, b, swapped, slopes, kept, numbers(launch), low, high);
  return made;
}

}  // namespace

std::vector<Op> around_fft_cuda_ops() {
  return {
      {"launch_around_fft_sums(Tensor X, Tensor Y, Tensor place, Tensor weight, Tensor first, Tensor launch, int "
       "scale, "
       "float factor, float eps) -> Tensor",
       boxed<around_fft_sums_cuda>},
      {"launch_around_fft_tile_sums(Tensor X, Tensor Y, Tensor points, Tensor pools, Tensor launch, int scale, float "
       "factor, float eps) -> Tensor",
       boxed<around_fft_tile_sums_cuda>},
      {"launch_around_fft_gains(Tensor(a!) X, Tensor profiles, Tensor index, Tensor weight, Tensor launch, int scale, "
       "float factor, float eps) -> ()",
       boxed<around_fft_gains_cuda>},
      {"launch_around_fft_hermitian(Tensor(a!) X, Tensor launch) -> ()", boxed<around_fft_hermitian_cuda>},
      {"launch_around_fft_clip(Tensor filtered, Tensor b, Tensor launch, float low, float high) -> (Tensor, Tensor, "
       "Tensor)",
       boxed<around_fft_clip_cuda>},
  };
}

}  // namespace specops
