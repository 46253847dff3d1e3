#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace specops {

// up, down as (x, y); padding as (x0, x1, y0, y1); see specops/ops/resample/contract.py.
at::Tensor upfirdn2d_cpu(const at::Tensor& x, const at::Tensor& taps, at::IntArrayRef up, at::IntArrayRef down,
                         at::IntArrayRef padding, std::string_view boundary);

at::Tensor upfirdn2d_transpose_cpu(const at::Tensor& y, const at::Tensor& taps, at::IntArrayRef up,
                                   at::IntArrayRef down, at::IntArrayRef padding, std::string_view boundary,
                                   at::IntArrayRef size);

at::Tensor upfirdn2d_filter_correlation_cpu(const at::Tensor& x, const at::Tensor& y, at::IntArrayRef up,
                                            at::IntArrayRef down, at::IntArrayRef padding, std::string_view boundary,
                                            at::IntArrayRef taps_size);

}  // namespace specops
