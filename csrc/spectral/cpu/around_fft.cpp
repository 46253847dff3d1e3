#include "spectral/cpu/around_fft.h"

#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include "common/checks.h"
#include "common/coefficient.h"
#include "common/library.h"
#include "common/scratch.h"

namespace specops {
namespace {

// A plane [H, W] to read; strides in elements.
template <class T>
struct Pixels {
  explicit Pixels(const Tensor& plane) : first(plane.data<T>()), row(plane.stride(0)), column(plane.stride(1)) {}
  T operator()(int64_t y, int64_t x) const { return first[y * row + x * column]; }

  const T* first;
  int64_t row, column;
};

// Whether columns are contiguous rather than rows; 0 where the strides leave it open.
int order_of(const Tensor& plane) {
  const int64_t along_y = plane.stride(0), along_x = plane.stride(1);
  if (along_y == 0 || along_x == 0) return 0;
  if (along_y == along_x) return plane.size(1) > plane.size(0) ? 1 : 0;
  return along_x > along_y ? 1 : -1;
}

// A dense plane with the order of the first of two that decides it, which torch.fft takes its own order from.
Tensor dense_plane(const Tensor& first, const Tensor& second, ScalarType type) {
  const int order = order_of(first) != 0 ? order_of(first) : order_of(second);
  const Ints& size = first.sizes();
  const int64_t strides[] = {order > 0 ? 1 : size[1], order > 0 ? size[0] : 1};
  return empty_strided(size, {strides, 2}, type, cpu());
}

// The i-th plane [H, W] of x [..., H, W] in the type of the arithmetic: x's own memory where it is that.
Tensor plane_of(const Tensor& x, int64_t plane) {
  int64_t offset = 0;
  for (int64_t d = x.dim() - 3; d >= 0; plane /= x.size(d), --d) offset += plane % x.size(d) * x.stride(d);
  Tensor own =
      over_memory(x.data<char>() + offset * x.element_size(), x.sizes().from(-2), x.strides().from(-2), x.type());
  if (x.type() == compute_type(x.type())) return own;
  Tensor wide = dense_plane(own, own, compute_type(x.type()));
  copy(wide, own);
  return wide;
}

// f(u, v) of the pixels of two planes.
template <class T, class U, class F>
Tensor combined(const Tensor& u, const Tensor& v, const F& f) {
  Tensor out = dense_plane(u, v, u.type());
  const Pixels<T> us(u);
  const Pixels<U> vs(v);
  const Pixels<T> at(out);
  T* to = out.mutable_data<T>();
  for (int64_t y = 0; y < u.size(0); ++y) {
    for (int64_t x = 0; x < u.size(1); ++x) to[y * at.row + x * at.column] = f(us(y, x), vs(y, x));
  }
  return out;
}

// Writes a plane to the i-th one of contiguous images, in their type.
void write_plane(const Tensor& images, int64_t i, const Tensor& plane) {
  const Ints size = images.sizes().from(-2);
  const int64_t strides[] = {size[1], 1};
  char* first = images.mutable_data<char>() + i * size[0] * size[1] * images.element_size();
  copy(over_memory(first, size, {strides, 2}, images.type()), plane);
}

OwnedList both_dimensions() {
  StableListOpaque* made = nullptr;
  succeed(torch_new_list_reserve_size(2, &made), "make a list");
  OwnedList list(made);
  succeed(torch_list_push_back(made, 0) || torch_list_push_back(made, 1), "fill a list");
  return list;
}

// torch.fft.rfft2, contiguous [H, W/2+1].
Tensor half_plane_of(Tensor plane) {
  constexpr uint64_t kUnscaled = 0, kOneSided = 1;
  OwnedList dimensions = both_dimensions();
  uint64_t stack[] = {given(plane), given(dimensions), kUnscaled, kOneSided};
  succeed(torch_call_dispatcher("aten::_fft_r2c", "", stack, kBuiltFor), "transform an image");
  Tensor X(reinterpret_cast<AtenTensorOpaque*>(stack[0]));
  return X.is_contiguous() ? std::move(X) : contiguous_copy(X);
}

// torch.fft.irfft2 without its scale, [H, W].
Tensor image_of(Tensor half_plane, int64_t W) {
  constexpr uint64_t kUnscaled = 0;
  OwnedList dimensions = both_dimensions();
  uint64_t stack[] = {given(half_plane), given(dimensions), kUnscaled, static_cast<uint64_t>(W)};
  succeed(torch_call_dispatcher("aten::_fft_c2r", "", stack, kBuiltFor), "transform a spectrum");
  return Tensor(reinterpret_cast<AtenTensorOpaque*>(stack[0]));
}

// f(plane) for each, inside a parallel region even where there is one: torch.fft then uses one thread, and its result
// cannot depend on how many there are. Workers handle tensors over memory and their own ones alone: neither gradients
// nor inference mode, which are of the caller's thread, have a part in that.
template <class F>
void for_each_plane(int64_t begin, int64_t end, const F& f) {
  parallel_for(begin, end, 1, [&](int64_t first, int64_t last) {
    for (int64_t plane = first; plane < last; ++plane) f(plane);
  });
}

}  // namespace

template <class T>
void cross_spectra_around_fft(const Tensor& x, const Tensor& y, int64_t begin, int64_t end,
                              const spectral::SumPlan<T>& plan, const spectral::Scaling<T>& scaling,
                              const spectral::Kernels<T>& kernels, T* sums) {
  const bool same = x.is_same(y);
  for_each_plane(begin, end, [&](int64_t plane) {
    const Tensor X = half_plane_of(plane_of(x, plane));
    const Tensor Y = same ? Tensor() : half_plane_of(plane_of(y, plane));
    const auto* a = X.data<Complex<T>>();
    const auto* b = same ? a : Y.data<Complex<T>>();
    std::vector<T> values(X.numel());
    for (size_t i = 0; i < values.size(); ++i) values[i] = cross(a[i], b[i]);
    const ThreadScratch scratch((plan.zero_slot + 1 + (plan.long_sums ? 2 * plan.n_bins : 0)) * sizeof(T));
    kernels.sum(plan, scaling, values.data(), X.numel(), sums + plane * plan.n_bins, scratch.memory());
  });
}

namespace {

struct Roots {
  template <class T>
  static T root(T q) {
    return std::sqrt(q);
  }
};

// gains [H, W/2+1] = weight / multiplicity · profile[index], summed over the maps.
template <class T>
void expand(const spectral::Maps<T>& maps, const T* profile, T* gains) {
  const int64_t n_gains = maps.height * maps.columns();
  for (int64_t i = 0; i < maps.size(); ++i) {
    const T share = maps.weight[i] / T(half_plane_multiplicity(i % maps.columns(), maps.width));
    const T gain = (maps.index[i] < 0 ? T(0) : profile[maps.index[i]]) * share;
    gains[i % n_gains] = i < n_gains ? gain : gains[i % n_gains] + gain;
  }
}

// X times gain · s'(q), q = factor |X|^2, without s' for kPower: as a complex number, so that an infinite part of X
// spreads as in torch.
template <class T>
void multiply(Complex<T>* X, const T* gains, int64_t count, const PointScale<double>& scale) {
  const PointScale<T> point = {scale.scale, static_cast<T>(scale.factor), static_cast<T>(scale.eps)};
  for (int64_t i = 0; i < count; ++i) {
    const T slope = point.scale == Scale::kPower ? T(1) : scale_slope<Roots>(point, power(X[i]));
    X[i] = rotated(X[i], gains[i] * slope, T(0));
  }
}

// Replaces the columns kx = 0 and W/2 of X [H, W/2 + 1] by their Hermitian part, ½ (X(ky) + conj X(-ky)): an inverse
// real transform presumes that, and of other half planes each library makes another image.
template <class T>
void make_hermitian(Complex<T>* X, int64_t H, int64_t W) {
  const int64_t columns = W / 2 + 1;
  for (int64_t kx = 0; kx < columns; ++kx) {
    if (half_plane_multiplicity(kx, W) != 1) continue;
    for (int64_t ky = 0; ky <= H / 2; ++ky) {
      Complex<T>&here = X[ky * columns + kx], &mirrored = X[(H - ky) % H * columns + kx];
      const Complex<T> sum = here + conjugate(mirrored);
      here = {sum.re / T(2), sum.im / T(2)};
      mirrored = conjugate(here);
    }
  }
}

// Gives write(plane, filtered) the filter of each read(plane).
template <class T, class Read, class Write>
void filter_each_plane(int64_t n_planes, const Tensor& profile, const spectral::Maps<T>& maps,
                       const PointScale<double>& scale, const Read& read, const Write& write) {
  for (int64_t i = 0; i < maps.size(); ++i) {
    if (maps.index[i] < -1 || maps.index[i] >= maps.n_bins) throw std::out_of_range("index");
  }
  const int64_t n_gains = maps.height * maps.columns();
  const bool shared = profile.dim() == 1;
  const T* profiles = profile.data<T>();
  std::vector<T> shared_gains(shared ? n_gains : 0);
  if (shared) expand(maps, profiles, shared_gains.data());
  for_each_plane(0, n_planes, [&](int64_t plane) {
    Tensor X = half_plane_of(read(plane));
    auto* coefficients = X.mutable_data<Complex<T>>();
    std::vector<T> own_gains(shared ? 0 : n_gains);
    if (!shared) expand(maps, profiles + plane * maps.n_bins, own_gains.data());
    multiply(coefficients, shared ? shared_gains.data() : own_gains.data(), n_gains, scale);
    make_hermitian(coefficients, maps.height, maps.width);
    write(plane, image_of(std::move(X), maps.width));
  });
}

}  // namespace

template <class T>
void filter_around_fft(const Tensor& x, const Tensor& profile, const int8_t* slope, const spectral::Maps<T>& maps,
                       const PointScale<double>& scale, const Tensor& out) {
  const int64_t n_pixels = maps.height * maps.width, strides[] = {maps.width, 1};
  const auto read = [&](int64_t plane) {
    Tensor image = plane_of(x, plane);
    if (slope == nullptr) return image;
    const Tensor slopes = over_memory(slope + plane * n_pixels, image.sizes(), {strides, 2}, ScalarType::kInt8);
    return combined<T, int8_t>(image, slopes, [](T pixel, int8_t s) { return pixel * static_cast<T>(s); });
  };
  filter_each_plane(x.numel() / n_pixels, profile, maps, scale, read,
                    [&](int64_t plane, const Tensor& filtered) { write_plane(out, plane, filtered); });
}

template <class T>
void swap_around_fft(const Tensor& a, const Tensor* b, const Tensor& profile, const spectral::Maps<T>& maps,
                     const spectral::Swapped<T>& all, const Tensor& swapped, const Tensor& slope, const Tensor* kept) {
  const int64_t W = maps.width, n_pixels = maps.height * W;
  int8_t* const slopes = slope.mutable_data<int8_t>();
  const int64_t size[] = {maps.height, maps.width}, no_strides[] = {0, 0};
  const auto base_of = [&](int64_t plane) {
    return b == nullptr ? over_memory(&all.constant, {size, 2}, {no_strides, 2}, kTypeOf<T>) : plane_of(*b, plane);
  };
  const auto read = [&](int64_t plane) {
    return combined<T, T>(plane_of(a, plane), base_of(plane), [](T u, T v) { return u - v; });
  };
  const auto write = [&](int64_t plane, const Tensor& filtered) {
    const Tensor base = base_of(plane);
    const Tensor sums = combined<T, T>(base, filtered, [](T u, T v) { return u + v; });
    const Pixels<T> u(sums);
    for (int64_t i = 0; i < n_pixels; ++i) {
      const T value = u(i / W, i % W);
      slopes[plane * n_pixels + i] = folded(value, all.low) <= all.high ? (value > all.low) - (value < all.low) : 0;
    }
    const auto clip = [&](T value, T) { return clipped(folded(value, all.low), all.high); };
    write_plane(swapped, plane, combined<T, T>(sums, sums, clip));
    if (kept != nullptr) write_plane(*kept, plane, combined<T, T>(base, base, clip));
  };
  filter_each_plane(a.numel() / n_pixels, profile, maps, kPowerItself, read, write);
}

#define SPECOPS_AROUND_FFT(T)                                                                                         \
  template void cross_spectra_around_fft(const Tensor&, const Tensor&, int64_t, int64_t, const spectral::SumPlan<T>&, \
                                         const spectral::Scaling<T>&, const spectral::Kernels<T>&, T*);               \
  template void filter_around_fft(const Tensor&, const Tensor&, const int8_t*, const spectral::Maps<T>&,              \
                                  const PointScale<double>&, const Tensor&);                                          \
  template void swap_around_fft(const Tensor&, const Tensor*, const Tensor&, const spectral::Maps<T>&,                \
                                const spectral::Swapped<T>&, const Tensor&, const Tensor&, const Tensor*);
SPECOPS_AROUND_FFT(float)
SPECOPS_AROUND_FFT(double)
#undef SPECOPS_AROUND_FFT

}  // namespace specops
