#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>
#include <tuple>

namespace specops {

at::Tensor binned_cross_spectrum_cpu(const at::Tensor& x, const at::Tensor& y, const at::Tensor& index,
                                     const at::Tensor& weight, int64_t n_bins);

at::Tensor binned_scaled_power_cpu(const at::Tensor& x, const at::Tensor& index, const at::Tensor& weight,
                                   int64_t n_bins, std::string_view scale, double factor, double eps);

at::Tensor binned_filter_cpu(const at::Tensor& x, const at::Tensor& profile, const at::Tensor& index,
                             const at::Tensor& weight);

at::Tensor binned_sloped_filter_cpu(const at::Tensor& x, const at::Tensor& profile, const at::Tensor& slope,
                                    const at::Tensor& index, const at::Tensor& weight);

at::Tensor binned_scaled_filter_cpu(const at::Tensor& x, const at::Tensor& profile, const at::Tensor& index,
                                    const at::Tensor& weight, std::string_view scale, double factor, double eps);

// Returns swapped, slope and kept.
std::tuple<at::Tensor, at::Tensor, at::Tensor> clipped_band_swap_cpu(const at::Tensor& a, const at::Tensor& b,
                                                                     const at::Tensor& profile, const at::Tensor& index,
                                                                     const at::Tensor& weight, double low, double high,
                                                                     bool keep);

}  // namespace specops
