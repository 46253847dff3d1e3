#pragma once

#include "common/coefficient.h"
#include "simd/pixels.h"
#include "spectral/cpu/plans/plane_plan.h"

// The root and the logarithm of vectors, and scales of values in memory.
namespace specops::SPECOPS_ISA {

SPECOPS_INLINE float root(float x) { return __builtin_sqrtf(x); }

SPECOPS_INLINE double root(double x) { return __builtin_sqrt(x); }

template <class T>
SPECOPS_INLINE Vec<T> root_of_lanes(Vec<T> x) {
  T lanes[kLanes<T>];
  store(lanes, x);
  for (int i = 0; i < kLanes<T>; ++i) lanes[i] = root(lanes[i]);
  return load(lanes);
}

SPECOPS_INLINE Vec<float> root(Vec<float> x) { return root_of_lanes<float>(x); }

SPECOPS_INLINE Vec<double> root(Vec<double> x) { return root_of_lanes<double>(x); }

template <class T>
struct FloatFormat;

// ln 2 = high + low; high has so few digits that its product with an exponent is exact.
template <>
struct FloatFormat<float> {
  static constexpr int kFraction = 23, kTerms = 4;
  static constexpr float kLeastNormal = 0x1p-126f, kLog2High = 0x1.62e4p-1f, kRootHalf = 0x1.6a09e6p-1f;
};

template <>
struct FloatFormat<double> {
  static constexpr int kFraction = 52, kTerms = 10;
  static constexpr double kLeastNormal = 0x1p-1022, kLog2High = 0x1.62e42feep-1, kRootHalf = 0x1.6a09e667f3bcdp-1;
};

// ln x = e ln 2 + 2 artanh f, with x = 2^e m, m in [sqrt(1/2), sqrt(2)), and f = (m - 1) / (m + 1), by its series.
template <class T>
SPECOPS_INLINE Vec<T> logarithm(Vec<T> x) {
  using Format = FloatFormat<T>;
  using Bits = typename VectorOf<T>::lanes;
  constexpr T kLog2Low = T(0.693147180559945309417232121458176568L - Format::kLog2High);
  constexpr T kShift = T(int64_t{1} << Format::kFraction);
  const auto subnormal = x < Format::kLeastNormal;
  const Bits root_half = reinterpret_cast<Bits>(Vec<T>{} + Format::kRootHalf);
  const Bits above = reinterpret_cast<Bits>(subnormal ? x * kShift : x) - root_half;
  const Bits fraction = above & (((Bits{} + 1) << Format::kFraction) - 1);
  const Vec<T> shift = subnormal ? Vec<T>{} + T(Format::kFraction) : Vec<T>{};
  const Vec<T> exponent = __builtin_convertvector(above >> Format::kFraction, Vec<T>) - shift;
  const Vec<T> m = reinterpret_cast<Vec<T>>(fraction + root_half), f = (m - T(1)) / (m + T(1)), square = f * f;
  Vec<T> series = {};
  for (int i = Format::kTerms; i >= 1; --i) series = (series + T(1) / T(2 * i + 1)) * square;
  const Vec<T> value = exponent * Format::kLog2High + (T(2) * f + (T(2) * f * series + exponent * kLog2Low));
  const Vec<T> infinite = Vec<T>{} + T(__builtin_inf());
  return x == T(0) ? -infinite : x < infinite ? value : x;
}

// What the scales of common/coefficient.h are made of.
struct Maths {
  template <class V>
  SPECOPS_INLINE V root(V x) {
    return SPECOPS_ISA::root(x);
  }
  template <class T>
  SPECOPS_INLINE Vec<T> logarithm(Vec<T> x) {
    return SPECOPS_ISA::logarithm<T>(x);
  }
};

// scaled [n] = times s(q), q = factor values, which may be one array.
template <class T>
static void scale_values(const spectral::Scaling<T>& scaling, const T* values, int64_t n, T* scaled) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; i < n; i += L) {
    const int64_t count = n - i < L ? n - i : L;
    const Vec<T> power = read_pixels<RealPixels<T>, T>(values + i, 1, count);
    const Vec<T> s = scaled_power<Maths>(scaling.point, power);
    write_first(scaled + i, count, s * scaling.times);
  }
}

}  // namespace specops::SPECOPS_ISA
