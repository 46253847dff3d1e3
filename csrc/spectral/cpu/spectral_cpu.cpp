#include "spectral/cpu/spectral_cpu.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "common/checks.h"
#include "common/scratch.h"
#include "common/tensor.h"
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
  parallel_for(0, n_planes, std::max<int64_t>(1, kPixelsPerTask / pixels), [&](int64_t begin, int64_t end) {
    const ThreadScratch scratch(scratch_bytes);
    f(begin, end, scratch.memory());
  });
}

template <class T>
spectral::Maps<T> maps_of(const Tensor& x, const Tensor& index, const Tensor& weight, int64_t n_bins) {
  const int64_t n_maps = index.dim() == 3 ? index.size(0) : 1;
  return {index.data<int32_t>(), weight.data<T>(), x.size(-2), x.size(-1), n_bins, n_maps};
}

template <class T>
bool serves(const spectral::Maps<T>& maps) {
  return fft::serves(maps.height) && fft::serves(maps.width);
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
void take_again_where_not_finite(const Tensor& x, const Tensor& y, const spectral::Maps<T>& maps,
                                 const PointScale<double>& scale, int64_t n_planes, T* sums) {
  for (int64_t plane = 0; plane < n_planes; ++plane) {
    bool finite = true;
    for (int64_t k = 0; k < maps.n_bins; ++k) finite &= std::isfinite(sums[plane * maps.n_bins + k]);
    if (finite) continue;
    cross_spectra_around_fft(x, y, plane, plane + 1, *spectral::cached_half_plane_sums(maps), scaling_of<T>(scale),
                             spectral::kernels<T>(), sums);
  }
}

template <class T>
void cross_spectra(const Tensor& x, const Tensor& y, const spectral::Maps<T>& maps, const PointScale<double>& scale,
                   Tensor& out) {
  const spectral::Kernels<T>& kernels = spectral::kernels<T>();
  const int64_t n_planes = out.numel() / maps.n_bins;
  T* sums = out.mutable_data<T>();
  if (!serves(maps)) {
    return cross_spectra_around_fft(x, y, 0, n_planes, *spectral::cached_half_plane_sums(maps), scaling_of<T>(scale),
                                    kernels, sums);
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
  take_again_where_not_finite(x, y, maps, scale, n_planes, sums);
}

// Runs f(plane, gains, scratch) for every plane, with the gains of its profile; `parted` elements of scratch are for
// Planes, from `start(begin, end, parted)`, which returns f.
template <class T, class Start>
void for_filtered_planes(int64_t n_planes, const Tensor& profile, const spectral::Maps<T>& maps, int64_t n_parted,
                         const Start& start) {
  const spectral::Kernels<T>& kernels = spectral::kernels<T>();
  const auto plan = spectral::cached_plane_plan(maps, kernels.parting.lanes);
  const spectral::Scratch& at = plan->scratch;
  const bool shared = profile.dim() == 1 && n_planes > 1;  // one plane expands its own
  const T* profiles = profile.data<T>();
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
void filter(const Tensor& x, const Tensor& profile, const int8_t* slope, const spectral::Maps<T>& maps,
            const PointScale<double>& scale, Tensor& out) {
  const spectral::Kernels<T>& kernels = spectral::kernels<T>();
  const spectral::Scaling<T> scaling = engine_scaling_of<T>(scale);
  const Pixel out_type = pixel_type(x.type());
  const int64_t n_pixels = maps.height * maps.width, plane_bytes = n_pixels * x.element_size();
  char* pixels = out.mutable_data<char>();
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

// `value` as an image of that type has it.
template <class T>
T rounded(double value, ScalarType image_type) {
  T made = static_cast<T>(value);
  if (image_type == kTypeOf<T>) return made;
  constexpr int64_t one = 1;
  const Ints single(&one, 1);
  const Tensor wide = over_memory(&made, single, single, kTypeOf<T>), narrow = empty(single, image_type, cpu());
  copy(narrow, wide);
  copy(wide, narrow);
  return made;
}

// Without b, of the constant image `all.constant`.
template <class T>
void swap(const Tensor& a, const Tensor* b, const Tensor& profile, const spectral::Maps<T>& maps,
          const spectral::Swapped<T>& all, Tensor& swapped, Tensor& slope, Tensor* kept) {
  const spectral::Kernels<T>& kernels = spectral::kernels<T>();
  const int64_t n_pixels = maps.height * maps.width, plane_bytes = n_pixels * a.element_size();
  const int64_t a_parted = Planes<T>::parted_size(a, kernels.parting);
  const int64_t b_parted = b == nullptr ? 0 : Planes<T>::parted_size(*b, kernels.parting);
  char* swapped_pixels = swapped.mutable_data<char>();
  char* kept_pixels = kept == nullptr ? nullptr : kept->mutable_data<char>();
  int8_t* slopes = slope.mutable_data<int8_t>();
  const auto start = [&](int64_t begin, int64_t end, T* parted) {
    const int64_t count = end - begin;
    std::optional<Planes<T>> of_b;
    if (b != nullptr) of_b.emplace(*b, begin, count, kernels.parting, parted + a_parted);
    return [&, as = Planes<T>(a, begin, count, kernels.parting, parted), bs = std::move(of_b)](
               const spectral::PlanePlan<T>& plan, int64_t plane, const T* gains, char* scratch) mutable {
      spectral::Swapped<T> out = all;
      out.swapped = swapped_pixels + plane * plane_bytes;
      out.slope = slopes + plane * n_pixels;
      out.kept = kept_pixels == nullptr ? nullptr : kept_pixels + plane * plane_bytes;
      kernels.swap(plan, as.next(), bs ? bs->next() : Image{}, gains, out, scratch);
    };
  };
  for_filtered_planes<T>(a.numel() / n_pixels, profile, maps, a_parted + b_parted, start);
}

// Runs f, and says where an index is that none of its plans takes. index is contiguous.
template <class F>
void run(const Tensor& index, int64_t n_bins, const F& f) {
  try {
    f();
  } catch (const std::out_of_range&) {
    const auto* first = index.data<int32_t>();
    const auto [least, greatest] = std::minmax_element(first, first + index.numel());
    SPECOPS_CHECK_VALUE(false, "index must be -1 to n_bins - 1 = ", n_bins - 1, "; got ", *least, " to ", *greatest);
  }
}

void check_images(const Tensor& x, const Tensor& y) {
  check_image("x", x);
  check_image("y", y);
  SPECOPS_CHECK_VALUE(x.sizes() == y.sizes(), "images must have one shape; got ", x.sizes(), " and ", y.sizes());
  SPECOPS_CHECK_TYPE(x.type() == y.type(), "images must have one dtype; got ", x.type(), " and ", y.type());
}

void check_profile(const Tensor& x, const Tensor& profile, const Tensor& weight) {
  SPECOPS_CHECK_VALUE(
      profile.dim() == 1 || (profile.dim() == x.dim() - 1 && profile.sizes().before(-1) == x.sizes().before(-2)),
      "profile must be [K] or [..., K] with the leading dimensions of x ", x.sizes(), "; got ", profile.sizes());
  SPECOPS_CHECK_TYPE(profile.type() == weight.type(), "profile must have the dtype of weight; got ", profile.type());
  SPECOPS_CHECK_VALUE(profile.is_cpu(), "profile must be on the CPU; got ", profile.device());
}

PointScale<double> point_scale(const std::string& name, double factor, double eps) {
  SPECOPS_CHECK_VALUE(name == "amplitude" || name == "log", "scale must be amplitude or log; got ", name);
  SPECOPS_CHECK_VALUE(factor > 0 && eps >= 0, "factor must be above 0 and eps at least 0; got ", factor, " and ", eps);
  return {name == "log" ? Scale::kLogarithm : Scale::kAmplitude, factor, eps};
}

Tensor all_cross_spectra(const Tensor& x, const Tensor& y, const Tensor& index, const Tensor& weight, int64_t n_bins,
                         const PointScale<double>& scale) {
  check_maps(x, index, weight, n_bins);
  std::vector<int64_t> shape = x.sizes().before(-1).copy();
  shape.back() = n_bins;
  Tensor out = empty(shape, compute_type(x.type()), cpu());
  if (out.numel() == 0) return out;
  const Contiguous index_c(index), weight_c(weight);
  run(*index_c, n_bins, [&] {
    for_real(out.type() == ScalarType::kDouble, [&](auto zero) {
      using T = decltype(zero);
      cross_spectra<T>(x, y, maps_of<T>(x, *index_c, *weight_c, n_bins), scale, out);
    });
  });
  return out;
}

// Of x, or of x times a slope that is not null.
Tensor all_filtered(const Tensor& x, const Tensor& profile, const Tensor& index, const Tensor& weight,
                    const PointScale<double>& scale, const int8_t* slope = nullptr) {
  check_image("x", x);
  check_profile(x, profile, weight);
  const int64_t n_bins = profile.size(-1);
  check_maps(x, index, weight, n_bins);
  Tensor out = empty(x.sizes(), x.type(), cpu());
  if (out.numel() == 0) return out;
  const Contiguous index_c(index), weight_c(weight), profile_c(profile);
  run(*index_c, n_bins, [&] {
    for_real(weight.type() == ScalarType::kDouble, [&](auto zero) {
      using T = decltype(zero);
      const spectral::Maps<T> maps = maps_of<T>(x, *index_c, *weight_c, n_bins);
      if (serves(maps)) {
        filter<T>(x, *profile_c, slope, maps, scale, out);
      } else {
        filter_around_fft<T>(x, *profile_c, slope, maps, scale, out);
      }
    });
  });
  return out;
}

Tensor binned_cross_spectrum_cpu(const Tensor& x, const Tensor& y, const Tensor& index, const Tensor& weight,
                                 int64_t n_bins) {
  check_images(x, y);
  return all_cross_spectra(x, y, index, weight, n_bins, kPowerItself);
}

Tensor binned_scaled_power_cpu(const Tensor& x, const Tensor& index, const Tensor& weight, int64_t n_bins,
                               const std::string& scale, double factor, double eps) {
  check_image("x", x);
  return all_cross_spectra(x, x, index, weight, n_bins, point_scale(scale, factor, eps));
}

Tensor binned_filter_cpu(const Tensor& x, const Tensor& profile, const Tensor& index, const Tensor& weight) {
  return all_filtered(x, profile, index, weight, kPowerItself);
}

Tensor binned_sloped_filter_cpu(const Tensor& x, const Tensor& profile, const Tensor& slope, const Tensor& index,
                                const Tensor& weight) {
  SPECOPS_CHECK_TYPE(slope.type() == ScalarType::kInt8, "slope must be int8; got ", slope.type());
  SPECOPS_CHECK_VALUE(slope.sizes() == x.sizes() && slope.is_cpu(), "slope must be ", x.sizes(), " on the CPU; got ",
                      slope.sizes(), " on ", slope.device());
  const Contiguous slope_c(slope);
  return all_filtered(x, profile, index, weight, kPowerItself, slope_c->data<int8_t>());
}

Tensor binned_scaled_filter_cpu(const Tensor& x, const Tensor& profile, const Tensor& index, const Tensor& weight,
                                const std::string& scale, double factor, double eps) {
  return all_filtered(x, profile, index, weight, point_scale(scale, factor, eps));
}

// Writes the results of the clipped band swap of a and b, or without b those of the constant image `low`.
void write_swapped(const Tensor& a, const Tensor* b, const Tensor& profile, const Tensor& index, const Tensor& weight,
                   double low, double high, Tensor& swapped, Tensor& slope, Tensor* kept) {
  if (swapped.numel() == 0) return;
  const Contiguous index_c(index), weight_c(weight), profile_c(profile);
  const int64_t n_bins = profile.size(-1);
  run(*index_c, n_bins, [&] {
    for_real(weight.type() == ScalarType::kDouble, [&](auto zero) {
      using T = decltype(zero);
      const spectral::Maps<T> maps = maps_of<T>(a, *index_c, *weight_c, n_bins);
      const T constant = b == nullptr ? rounded<T>(low, a.type()) : zero;
      const spectral::Swapped<T> all = {
          static_cast<T>(low), static_cast<T>(high), constant, pixel_type(a.type()), nullptr, nullptr, nullptr};
      if (serves(maps)) {
        swap<T>(a, b, *profile_c, maps, all, swapped, slope, kept);
      } else {
        swap_around_fft<T>(a, b, *profile_c, maps, all, swapped, slope, kept);
      }
    });
  });
}

// Returns swapped, slope and kept.
std::tuple<Tensor, Tensor, Tensor> clipped_band_swap_cpu(const Tensor& a, const Tensor& b, const Tensor& profile,
                                                         const Tensor& index, const Tensor& weight, double low,
                                                         double high, bool keep) {
  check_images(a, b);
  check_profile(a, profile, weight);
  check_maps(a, index, weight, profile.size(-1));
  Tensor swapped = empty(a.sizes(), a.type(), cpu()), slope = empty(a.sizes(), ScalarType::kInt8, cpu());
  constexpr int64_t nothing = 0;
  Tensor kept = empty(keep ? a.sizes() : Ints(&nothing, 1), a.type(), cpu());
  write_swapped(a, &b, profile, index, weight, low, high, swapped, slope, keep ? &kept : nullptr);
  return {std::move(swapped), std::move(slope), std::move(kept)};
}

// Returns filtered and slope.
std::tuple<Tensor, Tensor> clipped_filter_cpu(const Tensor& x, const Tensor& profile, const Tensor& index,
                                              const Tensor& weight, double low, double high) {
  check_image("x", x);
  check_profile(x, profile, weight);
  check_maps(x, index, weight, profile.size(-1));
  Tensor filtered = empty(x.sizes(), x.type(), cpu()), slope = empty(x.sizes(), ScalarType::kInt8, cpu());
  write_swapped(x, nullptr, profile, index, weight, low, high, filtered, slope, nullptr);
  return {std::move(filtered), std::move(slope)};
}

}  // namespace

std::vector<Op> spectral_cpu_ops() {
  return {
      {"binned_cross_spectrum(Tensor x, Tensor y, Tensor index, Tensor weight, SymInt n_bins) -> Tensor",
       boxed<binned_cross_spectrum_cpu>},
      {"binned_filter(Tensor x, Tensor profile, Tensor index, Tensor weight) -> Tensor", boxed<binned_filter_cpu>},
      {"binned_sloped_filter(Tensor x, Tensor profile, Tensor slope, Tensor index, Tensor weight) -> Tensor",
       boxed<binned_sloped_filter_cpu>},
      {"binned_scaled_power(Tensor x, Tensor index, Tensor weight, SymInt n_bins, str scale, float factor, float eps) "
       "-> Tensor",
       boxed<binned_scaled_power_cpu>},
      {"binned_scaled_filter(Tensor x, Tensor profile, Tensor index, Tensor weight, str scale, float factor, float "
       "eps) -> Tensor",
       boxed<binned_scaled_filter_cpu>},
      {"clipped_band_swap(Tensor a, Tensor b, Tensor profile, Tensor index, Tensor weight, float low, float high, bool "
       "keep) -> (Tensor, Tensor, Tensor)",
       boxed<clipped_band_swap_cpu>},
      {"clipped_filter(Tensor x, Tensor profile, Tensor index, Tensor weight, float low, float high) -> (Tensor, "
       "Tensor)",
       boxed<clipped_filter_cpu>},
  };
}

}  // namespace specops
