#include "resample/cuda/resample_cuda.h"

#include "common/checks.h"
#include "common/cuda/glue.h"
#include "resample/cuda/layout.h"
#include "resample/cuda/ops.h"
#include "resample/memory_format.h"

// The raw ops of resampling, on what specops/ops/resample/plans has prepared.
namespace specops {
namespace {

// As they are or, where that has gaps, contiguous.
Pixels pixels(const Tensor& x) {
  return {x, x.is_contiguous() || is_channels_last(x), [&] { return empty_as(x, x.sizes(), x.device()); }};
}

Pixels contiguous(const Tensor& x) {
  return {x, x.is_contiguous(), [&] { return empty(x.sizes(), x.type(), x.device()); }};
}

struct Structs {
  resample::Layout layout;
  resample::Launch launch;
};

Structs checked_structs(const Tensor& x, const Tensor& layout, const Tensor& launch) {
  const Structs how = {checked<resample::Layout, int32_t>("layout", layout),
                       checked<resample::Launch>("launch", launch)};
  SPECOPS_CHECK_TYPE(x.type() <= ScalarType::kDouble && static_cast<int64_t>(pixel_type(x.type())) == how.launch.pixel,
                     "launch is for other pixels; got ", x.type());
  SPECOPS_CHECK_VALUE(x.dim() >= 2 && how.layout.channels == (is_channels_last(x) ? x.size(1) : 1),
                      "layout is for images of another memory format; got ", x.sizes(), " with strides ", x.strides());
  check_count("images", x, how.launch.planes * how.layout.channels * how.layout.y.n_in * how.layout.x.n_in);
  return how;
}

void check_taps(const Tensor& x, const Tensor& taps, const Structs& how) {
  check_numbers(taps, compute_type(x.type()));
  const int64_t fh = how.layout.y.n_taps, fw = how.layout.x.n_taps;
  SPECOPS_CHECK_VALUE(!how.launch.outer || (fh == fw && fw > 1),
                      "an outer product has the same taps, several, along both axes; got ", fh, " and ", fw);
  check_count("taps", taps, how.launch.outer ? fw : fh * fw);
}

Tensor empty_resampled(const Tensor& x, const resample::Layout& how) {
  return empty_as(x, shape_of_each(x, 2, {how.y.n_out, how.x.n_out}), x.device());
}

Tensor empty_factors(const Tensor& taps, const resample::Layout& how) {
  return empty(std::vector<int64_t>{1 + how.y.n_taps + how.x.n_taps}, taps.type(), taps.device());
}

Tensor upfirdn2d_cuda(const Tensor& x, const Tensor& taps, const Tensor& row_folds, const Tensor& column_folds,
                      const Tensor& layout, const Tensor& launch, double gain) {
  const Structs how = checked_structs(x, layout, launch);
  check_taps(x, taps, how);
  Tensor out = empty_resampled(x, how.layout);
  call("upfirdn2d", launch_upfirdn2d, *pixels(x), taps, row_folds, column_folds, empty_factors(taps, how.layout), out,
       numbers(layout), numbers(launch), gain);
  return out;
}

Tensor upfirdn2d_patches_cuda(const Tensor& x, const Tensor& taps, const Tensor& layout, const Tensor& launch,
                              double gain) {
  const Structs how = checked_structs(x, layout, launch);
  check_taps(x, taps, how);
  Tensor out = empty_resampled(x, how.layout);
  call("upfirdn2d_patches", launch_upfirdn2d_patches, *pixels(x), taps, empty_factors(taps, how.layout), out,
       numbers(layout), numbers(launch), gain);
  return out;
}

Tensor upfirdn2d_filter_correlation_cuda(const Tensor& images, const Tensor& outputs, const Tensor& layout,
                                         const Tensor& launch) {
  const Pixels of_images = contiguous(images), of_outputs = contiguous(outputs);
  const Tensor &x = *of_images, &y = *of_outputs;
  const auto [how, shape] = checked_structs(x, layout, launch);
  check_numbers(y, x.type());
  check_count("outputs", y, shape.planes * how.y.n_out * how.x.n_out);
  const std::vector<int64_t> taps = {how.y.n_taps, how.x.n_taps};
  Tensor out = empty(taps, compute_type(x.type()), x.device());
  const Tensor sums = empty(std::vector<int64_t>{shape.blocks, out.numel()}, ScalarType::kDouble, x.device());
  call("upfirdn2d_filter_correlation", launch_upfirdn2d_filter_correlation, x, y, sums, out, numbers(layout),
       numbers(launch));
  return out;
}

}  // namespace

std::vector<Op> resample_cuda_ops() {
  return {
      {"launch_upfirdn2d(Tensor x, Tensor taps, Tensor row_folds, Tensor column_folds, Tensor layout, Tensor launch, "
       "float gain) -> Tensor",
       boxed<upfirdn2d_cuda>},
      {"launch_upfirdn2d_patches(Tensor x, Tensor taps, Tensor layout, Tensor launch, float gain) -> Tensor",
       boxed<upfirdn2d_patches_cuda>},
      {"launch_upfirdn2d_filter_correlation(Tensor x, Tensor y, Tensor layout, Tensor launch) -> Tensor",
       boxed<upfirdn2d_filter_correlation_cuda>},
  };
}

}  // namespace specops
