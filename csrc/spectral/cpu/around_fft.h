#pragma once

#include <ATen/core/Tensor.h>

#include "spectral/cpu/kernels.h"

// Sizes that the engine does not serve: torch.fft a few planes at a time, the sums as everywhere.
namespace specops {

constexpr PointScale<double> kPowerItself = {Scale::kPower, 1, 0};

// The i-th plane [H, W] of x [..., H, W], in the dtype of the arithmetic.
at::Tensor plane_of(const at::Tensor& x, int64_t plane);

template <class T>
void cross_spectra_around_fft(const at::Tensor& x, const at::Tensor& y, const spectral::SumPlan<T>& sums,
                              const spectral::Scaling<T>& scaling, const spectral::Kernels<T>& kernels,
                              at::Tensor& out);

// Throws std::out_of_range if an index is not in -1..n_bins-1.
void filter_around_fft(const at::Tensor& x, const at::Tensor& profile, const at::Tensor& index,
                       const at::Tensor& weight, const PointScale<double>& scale, at::Tensor& out);

// The clipped band swap; `kept` may be empty.
void swap_around_fft(const at::Tensor& a, const at::Tensor& b, const at::Tensor& profile, const at::Tensor& index,
                     const at::Tensor& weight, double low, double high, at::Tensor& swapped, at::Tensor& slope,
                     at::Tensor& kept);

}  // namespace specops
