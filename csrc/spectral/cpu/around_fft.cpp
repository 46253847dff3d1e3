#include "spectral/cpu/around_fft.h"

#include <ATen/Parallel.h>
#include <ATen/ThreadLocalState.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/add.h>
#include <ATen/ops/clamp_max.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/fft_irfft2.h>
#include <ATen/ops/fft_rfft2.h>
#include <ATen/ops/le.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/rsub.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/view_as_real.h>

#include <algorithm>
#include <stdexcept>

#include "common/checks.h"
#include "common/coefficient.h"
#include "common/scratch.h"

namespace specops {

at::Tensor plane_of(const at::Tensor& x, int64_t plane) {
  at::Tensor result = x;
  for (int64_t d = x.dim() - 3; d >= 0; --d) {
    result = result.select(d, plane % x.size(d));
    plane /= x.size(d);
  }
  return result.to(compute_type(x.scalar_type()));
}

namespace {

// Plane by plane, whatever the number of threads, inside a parallel region: torch.fft then uses one thread, and its
// result cannot depend on how many there are. The workers take over the caller's modes (gradients, inference), and
// record nothing.
template <class F>
void for_each_plane(const at::Tensor& x, const F& f) {
  const int64_t pixels = x.size(-2) * x.size(-1), n_planes = x.numel() / pixels;
  const at::ThreadLocalState state;
  at::parallel_for(0, n_planes, 1, [&](int64_t begin, int64_t end) {
    const at::ThreadLocalStateGuard modes(state);
    const at::AutoDispatchBelowADInplaceOrView no_autograd;
    for (int64_t plane = begin; plane < end; ++plane) f(plane);
  });
}

}  // namespace

template <class T>
void cross_spectra_around_fft(const at::Tensor& x, const at::Tensor& y, const spectral::SumPlan<T>& sums,
                              const spectral::Scaling<T>& scaling, const spectral::Kernels<T>& kernels,
                              at::Tensor& out) {
  T* all_sums = out.mutable_data_ptr<T>();
  for_each_plane(x, [&](int64_t plane) {
    at::Tensor X = at::view_as_real(at::fft_rfft2(plane_of(x, plane))).contiguous();
    const at::Tensor Y = x.is_same(y) ? X : at::view_as_real(at::fft_rfft2(plane_of(y, plane))).contiguous();
    const auto* a = X.const_data_ptr<T>();
    const auto* b = Y.const_data_ptr<T>();
    const int64_t n = X.numel() / 2;
    at::Tensor values = at::empty({n}, out.options());
    T* v = values.mutable_data_ptr<T>();
    for (int64_t i = 0; i < n; ++i)
      v[i] = cross(Complex<T>{a[2 * i], a[2 * i + 1]}, Complex<T>{b[2 * i], b[2 * i + 1]});
    const ThreadScratch scratch((sums.zero_slot + 1 + (sums.long_sums ? 2 * sums.n_bins : 0)) * sizeof(T));
    kernels.sum(sums, scaling, v, n, all_sums + plane * sums.n_bins, scratch.memory());
  });
}

namespace {

// s'(q), q = factor |X|^2: common/coefficient.h for tensors.
at::Tensor scale_slopes(const at::Tensor& X, const PointScale<double>& scale) {
  const at::Tensor q = at::mul(at::view_as_real(X).square().sum(-1), scale.factor);
  if (scale.scale == Scale::kLogarithm) return at::add(q, scale.eps).reciprocal();
  return at::mul(q.rsqrt(), 0.5).masked_fill(at::eq(q, 0), 0);
}

// Replaces the columns kx = 0 and W/2 of X [H, W/2 + 1] by their Hermitian part, ½ (X(ky) + conj X(-ky)): an inverse
// real transform presumes that, and of other half planes each library makes another image.
template <class T>
void make_hermitian(at::Tensor& X, int64_t W) {
  const int64_t H = X.size(0), columns = X.size(1);
  auto* const x = X.mutable_data_ptr<c10::complex<T>>();
  for (int64_t kx = 0; kx < columns; ++kx) {
    if (half_plane_multiplicity(kx, W) != 1) continue;
    for (int64_t ky = 0; ky <= H / 2; ++ky) {
      auto &here = x[ky * columns + kx], &mirrored = x[(H - ky) % H * columns + kx];
      here = (here + std::conj(mirrored)) / T(2);
      mirrored = std::conj(here);
    }
  }
}

// Gives write(plane, filtered) the filter of each read(plane).
template <class Read, class Write>
void filter_each_plane(const at::Tensor& x, const at::Tensor& profile, const at::Tensor& index,
                       const at::Tensor& weight, const PointScale<double>& scale, const Read& read,
                       const Write& write) {
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  const int64_t n_bins = profile.size(-1), H = x.size(-2), W = x.size(-1);
  if (index.min().item<int32_t>() < -1 || index.max().item<int32_t>() >= n_bins) throw std::out_of_range("index");
  const at::Tensor bins = index.to(at::kLong).remainder(n_bins + 1).flatten();
  at::Tensor share = weight.clone();
  for (int64_t kx = 0; kx < share.size(-1); ++kx) share.select(-1, kx).div_(half_plane_multiplicity(kx, W));
  const at::Tensor padded = at::constant_pad_nd(profile, {0, 1});
  const auto gain_of = [&](const at::Tensor& one) {
    const at::Tensor gains = at::mul(one.index_select(0, bins).view_as(share), share);
    return gains.dim() == 3 ? gains.sum(0) : gains;
  };
  const at::Tensor shared = profile.dim() == 1 ? gain_of(padded) : at::Tensor();
  const at::Tensor profiles = padded.reshape({-1, n_bins + 1});
  for_each_plane(x, [&](int64_t plane) {
    const at::Tensor gain = profile.dim() == 1 ? shared : gain_of(profiles.select(0, plane));
    const at::Tensor X = at::fft_rfft2(read(plane));
    const at::Tensor all_gains = scale.scale == Scale::kPower ? gain : at::mul(gain, scale_slopes(X, scale));
    at::Tensor filtered = at::mul(X, all_gains).contiguous();
    for_real(weight.scalar_type() == at::kDouble, [&](auto zero) { make_hermitian<decltype(zero)>(filtered, W); });
    write(plane, at::fft_irfft2(filtered, at::IntArrayRef{H, W}, {-2, -1}, "forward"));
  });
}

at::Tensor planes_of(const at::Tensor& images) { return images.view({-1, images.size(-2), images.size(-1)}); }

}  // namespace

void filter_around_fft(const at::Tensor& x, const at::Tensor& profile, const at::Tensor& index,
                       const at::Tensor& weight, const PointScale<double>& scale, at::Tensor& out) {
  const at::Tensor planes = planes_of(out);
  filter_each_plane(
      x, profile, index, weight, scale, [&](int64_t plane) { return plane_of(x, plane); },
      [&](int64_t plane, const at::Tensor& filtered) { planes.select(0, plane).copy_(filtered); });
}

void swap_around_fft(const at::Tensor& a, const at::Tensor& b, const at::Tensor& profile, const at::Tensor& index,
                     const at::Tensor& weight, double low, double high, at::Tensor& swapped, at::Tensor& slope,
                     at::Tensor& kept) {
  const at::Tensor swapped_planes = planes_of(swapped), slope_planes = planes_of(slope);
  const at::Tensor kept_planes = kept.numel() > 0 ? planes_of(kept) : kept;
  const auto folded = [low](const at::Tensor& u) { return at::maximum(u, at::rsub(u, 2 * low)); };
  filter_each_plane(
      a, profile, index, weight, kPowerItself,
      [&](int64_t plane) { return at::sub(plane_of(a, plane), plane_of(b, plane)); },
      [&](int64_t plane, const at::Tensor& filtered) {
        const at::Tensor base = plane_of(b, plane), u = at::add(base, filtered), image = folded(u);
        swapped_planes.select(0, plane).copy_(at::clamp_max(image, high));
        slope_planes.select(0, plane).copy_(at::mul(at::sub(u, low).sign().nan_to_num_(), at::le(image, high)));
        if (kept.numel() > 0) kept_planes.select(0, plane).copy_(at::clamp_max(folded(base), high));
      });
}

template void cross_spectra_around_fft(const at::Tensor&, const at::Tensor&, const spectral::SumPlan<float>&,
                                       const spectral::Scaling<float>&, const spectral::Kernels<float>&, at::Tensor&);
template void cross_spectra_around_fft(const at::Tensor&, const at::Tensor&, const spectral::SumPlan<double>&,
                                       const spectral::Scaling<double>&, const spectral::Kernels<double>&, at::Tensor&);

}  // namespace specops
