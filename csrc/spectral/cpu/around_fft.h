#pragma once

#include "common/tensor.h"
#include "spectral/cpu/kernels.h"
#include "spectral/cpu/plans/plan_builder.h"

// Sizes that the engine does not serve: the transforms of torch.fft a plane at a time, the sums as everywhere.
namespace specops {

constexpr PointScale<double> kPowerItself = {Scale::kPower, 1, 0};

// Planes [begin, end) of x and y, to sums [n_planes, n_bins].
template <class T>
void cross_spectra_around_fft(const Tensor& x, const Tensor& y, int64_t begin, int64_t end,
                              const spectral::SumPlan<T>& plan, const spectral::Scaling<T>& scaling,
                              const spectral::Kernels<T>& kernels, T* sums);

// Of x times `slope` where that is not null; profile contiguous. Throws std::out_of_range if an index is not in
// -1..n_bins-1.
template <class T>
void filter_around_fft(const Tensor& x, const Tensor& profile, const int8_t* slope, const spectral::Maps<T>& maps,
                       const PointScale<double>& scale, const Tensor& out);

// The clipped band swap, without b that of the constant image `all.constant`; `kept` may be null. Throws as above.
template <class T>
void swap_around_fft(const Tensor& a, const Tensor* b, const Tensor& profile, const spectral::Maps<T>& maps,
                     const spectral::Swapped<T>& all, const Tensor& swapped, const Tensor& slope, const Tensor* kept);

}  // namespace specops
