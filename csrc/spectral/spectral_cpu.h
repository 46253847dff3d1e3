#pragma once

#include <ATen/core/Tensor.h>

namespace specops {

at::Tensor binned_cross_spectrum_cpu(const at::Tensor& x, const at::Tensor& y, const at::Tensor& index,
                                     const at::Tensor& weight, int64_t n_bins);

at::Tensor binned_filter_cpu(const at::Tensor& x, const at::Tensor& c, const at::Tensor& index,
                             const at::Tensor& weight);

}  // namespace specops
