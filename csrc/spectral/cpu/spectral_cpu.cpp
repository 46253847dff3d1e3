#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mul.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <vector>

#include "common/checks.h"
#include "common/scratch.h"
#include "simd/planes.h"
#include "spectral/cpu/around_fft.h"
#include "spectral/cpu/kernels.h"
#include "spectral/cpu/plans/plan_cache.h"

namespace specops {
namespace {

constexpr int64_t kPixelsPerTask = 16384;

// Runs f(begin, end, scratch) over ranges of planes, on all threads.
template <class F>
void for_planes(int64_t n_planes, int64_t pixels, int64_t scratch_bytes, const F& f) {
  at::parallel_for(0, n_planes, std::max<int64_t>(1, kPixelsPerTask / pixels), [&](int64_t begin, int64_t end) {
    const ThreadScratch scratch(scratch_bytes);
    f(begin, end, scratch.memory());
  });
}

template <class T>
spectral::Maps<T> maps_of(const at::Tensor& x, const at::Tensor& index, const at::Tensor& weight, int64_t n_bins) {
  const int64_t n_maps = index.dim() == 3 ? index.size(0) : 1;
  return {index.const_data_ptr<int32_t>(), weight.const_data_ptr<T>(), x.size(-2), x.size(-1), n_bins, n_maps};
}

template <class T>
spectral::Scaling<T> scaling_of(const PointScale<double>& scale) {
  return {{scale.scale, static_cast<T>(scale.factor), static_cast<T>(scale.eps)}, T(1)};
}

// Inside the engine values are four times |X|^2, which its plans make up for.
template <class T>
spectral::Scaling<T> engine_scaling_of(const PointScale<double>& scale) {
  return {{scale.scale, static_cast<T>(scale.factor / 4), static_cast<T>(scale.eps)}, T(4)};
}

// Sums that are not finite are taken again from torch.fft, so that Inf and NaN spread as in the reference.
template <class T>
void take_again_where_not_finite(const at::Tensor& x, const at::Tensor& y, const spectral::Maps<T>& maps,
                                 const PointScale<double>& scale, at::Tensor& out) {
  const at::AutoDispatchBelowADInplaceOrView no_autograd;
  const at::Tensor rows = out.view({-1, maps.n_bins});
  const T* sums = out.const_data_ptr<T>();
  for (int64_t plane = 0; plane < rows.size(0); ++plane, sums += maps.n_bins) {
    bool finite = true;
    for (int64_t k = 0; k < maps.n_bins; ++k) finite &= std::isfinite(sums[k]);
    if (finite) continue;
    const at::Tensor one_x = plane_of(x, plane), one_y = x.is_same(y) ? one_x : plane_of(y, plane);
    at::Tensor row = rows.select(0, plane);
    cross_spectra_around_fft(one_x, one_y, *spectral::cached_half_plane_sums(maps), scaling_of<T>(scale),
                             spectral::kernels<T>(), row);
  }
}

template <class T>
void cross_spectra(const at::Tensor& x, const at::Tensor& y, const spectral::Maps<T>& maps,
                   const PointScale<double>& scale, at::Tensor& out) {
  const spectral::Kernels<T>& kernels = spectral::kernels<T>();
  const int64_t n_planes = out.numel() / maps.n_bins;
  T* sums = out.mutable_data_ptr<T>();
  if (!fft::serves(maps.height) || !fft::serves(maps.width)) {
    return cross_spectra_around_fft(x, y, *spectral::cached_half_plane_sums(maps), scaling_of<T>(scale), kernels, out);
  }
  const auto plan = spectral::cached_plane_plan(maps, kernels.parting.lanes);
  const spectral::Scaling<T> scaling = engine_scaling_of<T>(scale);
  const bool same = x.is_same(y);
  const int64_t own_bytes = same ? plan->scratch.power_bytes : plan->scratch.cross_bytes;
  const int64_t x_parted = Planes<T>::parted_size(x, kernels.parting),
                y_parted = same ? 0 : Planes<T>::parted_size(y, kernels.parting);
  const int64_t bytes = own_bytes + (x_parted + y_parted) * static_cast<int64_t>(sizeof(T));
  for_planes(n_planes, maps.height * maps.width, bytes, [&](int64_t begin, int64_t end, char* scratch) {
    T* parted = reinterpret_cast<T*>(scratch + own_bytes);
    Planes<T> xs(x, begin, end - begin, kernels.parting, parted),
        ys(y, begin, end - begin, kernels.parting, parted + x_parted);
    for (int64_t plane = begin; plane < end; ++plane) {
      T* out_row = sums + plane * maps.n_bins;
      if (same) {
        kernels.power(*plan, scaling, xs.next(), out_row, scratch);
      } else {
        kernels.cross(*plan, xs.next(), ys.next(), out_row, scratch);
      }
    }
  });
  take_again_where_not_finite(x, y, maps, scale, out);
}

// Runs f(plane, gains, scratch) for every plane, with the gains of its profile; `parted` elements of scratch are for
// Planes, from `start(begin, end, parted)`, which returns f.
template <class T, class Start>
void for_filtered_planes(int64_t n_planes, const at::Tensor& profile, const spectral::Maps<T>& maps, int64_t n_parted,
                         const Start& start) {
  const spectral::Kernels<T>& kernels = spectral::kernels<T>();
  const auto plan = spectral::cached_plane_plan(maps, kernels.parting.lanes);
  const spectral::Scratch& at = plan->scratch;
  const bool shared = profile.dim() == 1;
  const T* profiles = profile.const_data_ptr<T>();
  std::vector<T> shared_gains(shared ? plan->gains.n_slots : 0);
  if (shared) {
    const ThreadScratch scratch(at.filter_bytes);
    kernels.expand(*plan, profiles, shared_gains.data(), scratch.memory());
  }
  const int64_t bytes = at.filter_bytes + n_parted * static_cast<int64_t>(sizeof(T));
  for_planes(n_planes, maps.height * maps.width, bytes, [&](int64_t begin, int64_t end, char* scratch) {
    auto f = start(begin, end, reinterpret_cast<T*>(scratch + at.filter_bytes));
    T* own_gains = reinterpret_cast<T*>(scratch + at.gains);
    for (int64_t plane = begin; plane < end; ++plane) {
      if (!shared) kernels.expand(*plan, profiles + plane * maps.n_bins, own_gains, scratch);
      f(*plan, plane, shared ? shared_gains.data() : own_gains, scratch);
    }
  });
}

// Of x times `slope`, where that is given.
template <class T>
void filter(const at::Tensor& x, const at::Tensor& profile, const int8_t* slope, const spectral::Maps<T>& maps,
            const PointScale<double>& scale, at::Tensor& out) {
  const spectral::Kernels<T>& kernels = spectral::kernels<T>();
  const spectral::Scaling<T> scaling = engine_scaling_of<T>(scale);
  const Pixel out_type = pixel_type(x.scalar_type());
  const int64_t n_pixels = maps.height * maps.width, plane_bytes = n_pixels * x.element_size();
  char* pixels = static_cast<char*>(out.mutable_data_ptr());
  const auto start = [&](int64_t begin, int64_t end, T* parted) {
    return [&, xs = Planes<T>(x, begin, end - begin, kernels.parting, parted)](
               const spectral::PlanePlan<T>& plan, int64_t plane, const T* gains, char* scratch) mutable {
      Image image = xs.next();
      if (slope != nullptr) image.slope = slope + plane * n_pixels;
      kernels.filter(plan, scaling, image, gains, out_type, pixels + plane * plane_bytes, scratch);
    };
  };
  for_filtered_planes<T>(x.numel() / n_pixels, profile, maps, Planes<T>::parted_size(x, kernels.parting), start);
}

// Whether all pixels are one element in memory.
bool is_constant(const at::Tensor& image) {
  for (int64_t d = 0; d < image.dim(); ++d) {
    if (image.size(d) > 1 && image.stride(d) != 0) return false;
  }
  return true;
}

template <class T>
void swap(const at::Tensor& a, const at::Tensor& b, const at::Tensor& profile, const spectral::Maps<T>& maps,
          spectral::Swapped<T> all, at::Tensor& swapped, at::Tensor& slope, at::Tensor& kept) {
  const spectral::Kernels<T>& kernels = spectral::kernels<T>();
  const int64_t n_pixels = maps.height * maps.width, plane_bytes = n_pixels * a.element_size();
  const bool constant = is_constant(b);
  if (constant) all.constant = b.select(-1, 0).select(-1, 0).flatten()[0].template item<T>();
  const int64_t a_parted = Planes<T>::parted_size(a, kernels.parting);
  const int64_t b_parted = constant ? 0 : Planes<T>::parted_size(b, kernels.parting);
  char* swapped_pixels = static_cast<char*>(swapped.mutable_data_ptr());
  char* kept_pixels = kept.numel() > 0 ? static_cast<char*>(kept.mutable_data_ptr()) : nullptr;
  int8_t* slopes = slope.mutable_data_ptr<int8_t>();
  const auto start = [&](int64_t begin, int64_t end, T* parted) {
    const int64_t count = end - begin;
    return [&, as = Planes<T>(a, begin, count, kernels.parting, parted),
            bs = Planes<T>(b, begin, count, kernels.parting, parted + a_parted)](
               const spectral::PlanePlan<T>& plan, int64_t plane, const T* gains, char* scratch) mutable {
      spectral::Swapped<T> out = all;
      out.swapped = swapped_pixels + plane * plane_bytes;
      out.slope = slopes + plane * n_pixels;
      out.kept = kept_pixels == nullptr ? nullptr : kept_pixels + plane * plane_bytes;
      kernels.swap(plan, as.next(), constant ? Image{} : bs.next(), gains, out, scratch);
    };
  };
  for_filtered_planes<T>(a.numel() / n_pixels, profile, maps, a_parted + b_parted, start);
}

// Turns what the torch-free code throws into what torch throws.
template <class F>
void run(const at::Tensor& index, int64_t n_bins, const F& f) {
  try {
    f();
  } catch (const std::out_of_range&) {
    TORCH_CHECK_VALUE(false, "index must be -1 to n_bins - 1 = ", n_bins - 1, "; got ", index.min().item<int32_t>(),
                      " to ", index.max().item<int32_t>());
  }
}

void check_images(const at::Tensor& x, const at::Tensor& y) {
  check_image("x", x);
  check_image("y", y);
  TORCH_CHECK_VALUE(x.sizes() == y.sizes(), "images must have one shape; got ", x.sizes(), " and ", y.sizes());
  TORCH_CHECK_TYPE(x.scalar_type() == y.scalar_type(), "images must have one dtype; got ", x.scalar_type(), " and ",
                   y.scalar_type());
}

void check_profile(const at::Tensor& x, const at::Tensor& profile, const at::Tensor& weight) {
  TORCH_CHECK_VALUE(
      profile.dim() == 1 || (profile.dim() == x.dim() - 1 &&
                             profile.sizes().slice(0, profile.dim() - 1) == x.sizes().slice(0, x.dim() - 2)),
      "profile must be [K] or [..., K] with the leading dimensions of x ", x.sizes(), "; got ", profile.sizes());
  TORCH_CHECK_TYPE(profile.scalar_type() == weight.scalar_type(), "profile must have the dtype of weight; got ",
                   profile.scalar_type());
  TORCH_CHECK_VALUE(profile.device().is_cpu(), "profile must be on the CPU; got ", profile.device());
}

PointScale<double> point_scale(std::string_view name, double factor, double eps) {
  TORCH_CHECK_VALUE(name == "amplitude" || name == "log", "scale must be amplitude or log; got ", name);
  TORCH_CHECK_VALUE(factor > 0 && eps >= 0, "factor must be above 0 and eps at least 0; got ", factor, " and ", eps);
  return {name == "log" ? Scale::kLogarithm : Scale::kAmplitude, factor, eps};
}

at::Tensor all_cross_spectra(const at::Tensor& x, const at::Tensor& y, const at::Tensor& index,
                             const at::Tensor& weight, int64_t n_bins, const PointScale<double>& scale) {
  check_maps(x, index, weight, n_bins);
  std::vector<int64_t> shape = x.sizes().vec();
  shape.pop_back();
  shape.back() = n_bins;
  at::Tensor out = at::empty(shape, x.options().dtype(compute_type(x.scalar_type())));
  if (out.numel() == 0) return out;
  const at::Tensor index_c = index.contiguous(), weight_c = weight.contiguous();
  run(index, n_bins, [&] {
    for_real(out.scalar_type() == at::kDouble, [&](auto zero) {
      using T = decltype(zero);
      cross_spectra<T>(x, y, maps_of<T>(x, index_c, weight_c, n_bins), scale, out);
    });
  });
  return out;
}

at::Tensor all_filtered(const at::Tensor& x, const at::Tensor& profile, const at::Tensor& index,
                        const at::Tensor& weight, const PointScale<double>& scale, const at::Tensor& slope = {}) {
  check_image("x", x);
  check_profile(x, profile, weight);
  const int64_t n_bins = profile.size(-1);
  check_maps(x, index, weight, n_bins);
  at::Tensor out = at::empty(x.sizes(), x.options());
  if (out.numel() == 0) return out;
  const at::Tensor index_c = index.contiguous(), weight_c = weight.contiguous(), profile_c = profile.contiguous();
  const at::Tensor slope_c = slope.defined() ? slope.contiguous() : slope;
  const int8_t* slopes = slope.defined() ? slope_c.const_data_ptr<int8_t>() : nullptr;
  run(index, n_bins, [&] {
    if (!fft::serves(x.size(-2)) || !fft::serves(x.size(-1))) {
      return filter_around_fft(slope.defined() ? at::mul(x, slope) : x, profile_c, index_c, weight_c, scale, out);
    }
    for_real(weight.scalar_type() == at::kDouble, [&](auto zero) {
      using T = decltype(zero);
      filter<T>(x, profile_c, slopes, maps_of<T>(x, index_c, weight_c, n_bins), scale, out);
    });
  });
  return out;
}

at::Tensor binned_cross_spectrum_cpu(const at::Tensor& x, const at::Tensor& y, const at::Tensor& index,
                                     const at::Tensor& weight, int64_t n_bins) {
  check_images(x, y);
  return all_cross_spectra(x, y, index, weight, n_bins, kPowerItself);
}

at::Tensor binned_scaled_power_cpu(const at::Tensor& x, const at::Tensor& index, const at::Tensor& weight,
                                   int64_t n_bins, std::string_view scale, double factor, double eps) {
  check_image("x", x);
  return all_cross_spectra(x, x, index, weight, n_bins, point_scale(scale, factor, eps));
}

at::Tensor binned_filter_cpu(const at::Tensor& x, const at::Tensor& profile, const at::Tensor& index,
                             const at::Tensor& weight) {
  return all_filtered(x, profile, index, weight, kPowerItself);
}

at::Tensor binned_sloped_filter_cpu(const at::Tensor& x, const at::Tensor& profile, const at::Tensor& slope,
                                    const at::Tensor& index, const at::Tensor& weight) {
  TORCH_CHECK_TYPE(slope.scalar_type() == at::kChar, "slope must be int8; got ", slope.scalar_type());
  TORCH_CHECK_VALUE(slope.sizes() == x.sizes() && slope.device().is_cpu(), "slope must be ", x.sizes(),
                    " on the CPU; got ", slope.sizes(), " on ", slope.device());
  return all_filtered(x, profile, index, weight, kPowerItself, slope);
}

at::Tensor binned_scaled_filter_cpu(const at::Tensor& x, const at::Tensor& profile, const at::Tensor& index,
                                    const at::Tensor& weight, std::string_view scale, double factor, double eps) {
  return all_filtered(x, profile, index, weight, point_scale(scale, factor, eps));
}

// Returns swapped, slope and kept.
std::tuple<at::Tensor, at::Tensor, at::Tensor> clipped_band_swap_cpu(const at::Tensor& a, const at::Tensor& b,
                                                                     const at::Tensor& profile, const at::Tensor& index,
                                                                     const at::Tensor& weight, double low, double high,
                                                                     bool keep) {
  check_images(a, b);
  check_profile(a, profile, weight);
  const int64_t n_bins = profile.size(-1);
  check_maps(a, index, weight, n_bins);
  at::Tensor swapped = at::empty(a.sizes(), a.options());
  at::Tensor slope = at::empty(a.sizes(), a.options().dtype(at::kChar));
  at::Tensor kept = at::empty(keep ? a.sizes() : at::IntArrayRef{0}, a.options());
  if (swapped.numel() == 0) return {swapped, slope, kept};
  const at::Tensor index_c = index.contiguous(), weight_c = weight.contiguous(), profile_c = profile.contiguous();
  run(index, n_bins, [&] {
    if (!fft::serves(a.size(-2)) || !fft::serves(a.size(-1))) {
      return swap_around_fft(a, b, profile_c, index_c, weight_c, low, high, swapped, slope, kept);
    }
    for_real(weight.scalar_type() == at::kDouble, [&](auto zero) {
      using T = decltype(zero);
      const spectral::Swapped<T> all = {
          static_cast<T>(low), static_cast<T>(high), zero, pixel_type(a.scalar_type()), nullptr, nullptr, nullptr};
      swap<T>(a, b, profile_c, maps_of<T>(a, index_c, weight_c, n_bins), all, swapped, slope, kept);
    });
  });
  return {swapped, slope, kept};
}

}  // namespace
}  // namespace specops

TORCH_LIBRARY_FRAGMENT(specops_native, m) {
  const auto define = [&m](const char* schema, auto* kernel) { m.def(schema, torch::dispatch(c10::kCPU, kernel)); };
  define("binned_cross_spectrum(Tensor x, Tensor y, Tensor index, Tensor weight, int n_bins) -> Tensor",
         specops::binned_cross_spectrum_cpu);
  define("binned_filter(Tensor x, Tensor profile, Tensor index, Tensor weight) -> Tensor", specops::binned_filter_cpu);
  define("binned_sloped_filter(Tensor x, Tensor profile, Tensor slope, Tensor index, Tensor weight) -> Tensor",
         specops::binned_sloped_filter_cpu);
  define(
      "binned_scaled_power(Tensor x, Tensor index, Tensor weight, int n_bins, str scale, float factor, float eps) "
      "-> Tensor",
      specops::binned_scaled_power_cpu);
  define(
      "binned_scaled_filter(Tensor x, Tensor profile, Tensor index, Tensor weight, str scale, float factor, float eps) "
      "-> Tensor",
      specops::binned_scaled_filter_cpu);
  define(
      "clipped_band_swap(Tensor a, Tensor b, Tensor profile, Tensor index, Tensor weight, float low, float high, "
      "bool keep) -> (Tensor, Tensor, Tensor)",
      specops::clipped_band_swap_cpu);
}
