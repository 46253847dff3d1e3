#pragma once

// The mathematics of one coefficient. T is a real scalar, or a vector of them on the CPU. No includes from std: this
// file is compiled once per instruction set.

#include "common/macros.h"
#include "common/scale.h"

namespace specops {

template <class T>
struct Complex {
  T re, im;
};

template <class T>
SPECOPS_INLINE Complex<T> operator+(Complex<T> a, Complex<T> b) {
  return {a.re + b.re, a.im + b.im};
}

template <class T>
SPECOPS_INLINE Complex<T> operator-(Complex<T> a, Complex<T> b) {
  return {a.re - b.re, a.im - b.im};
}

template <class T>
SPECOPS_INLINE Complex<T> conjugate(Complex<T> z) {
  return {z.re, -z.im};
}

// Multiplies by -i.
template <class T>
SPECOPS_INLINE Complex<T> turned_right(Complex<T> z) {
  return {z.im, -z.re};
}

template <class T, class U>
SPECOPS_INLINE Complex<T> rotated(Complex<T> z, U cosine, U sine) {
  return {z.re * cosine - z.im * sine, z.re * sine + z.im * cosine};
}

// |X|^2
template <class T>
SPECOPS_INLINE T power(Complex<T> x) {
  return x.re * x.re + x.im * x.im;
}

// Re(conj(X) Y)
template <class T>
SPECOPS_INLINE T cross(Complex<T> x, Complex<T> y) {
  return x.re * y.re + x.im * y.im;
}

// Two real signals a, b travel as z = a + ib. From Z at a frequency and at its negative: twice the transforms of a and
// b.
template <class T>
SPECOPS_INLINE Complex<T> twice_first(Complex<T> z, Complex<T> mirrored) {
  return {z.re + mirrored.re, z.im - mirrored.im};
}

template <class T>
SPECOPS_INLINE Complex<T> twice_second(Complex<T> z, Complex<T> mirrored) {
  return {z.im + mirrored.im, mirrored.re - z.re};
}

// The way back: Z at a frequency, and at its negative, from the transforms of a and b.
template <class T>
SPECOPS_INLINE Complex<T> joined(Complex<T> a, Complex<T> b) {
  return {a.re - b.im, a.im + b.re};
}

template <class T>
SPECOPS_INLINE Complex<T> joined_mirrored(Complex<T> a, Complex<T> b) {
  return {a.re + b.im, b.re - a.im};
}

// s(q) of a scale that is not the power. Maths has `root` and `logarithm` of V, which is T or a vector of it.
template <class Maths, class T, class V>
SPECOPS_INLINE V scaled_power(const PointScale<T>& scale, V power) {
  const V q = power * scale.factor;
  return scale.scale == Scale::kAmplitude ? Maths::root(q) : Maths::template logarithm<T>(q + scale.eps);
}

// s'(q); that of the root is taken as 0 where q is 0.
template <class Maths, class T, class V>
SPECOPS_INLINE V scale_slope(const PointScale<T>& scale, V power) {
  const V q = power * scale.factor, zero = {};
  if (scale.scale == Scale::kLogarithm) return T(1) / (q + scale.eps);
  return q == zero ? zero : T(0.5) / Maths::root(q);
}

// |u - low| + low; u itself, to the bit, where it is not below low.
template <class T>
SPECOPS_INLINE T folded(T u, T low) {
  const T mirrored = low + low - u;
  return u >= low ? u : mirrored;
}

template <class T>
SPECOPS_INLINE T clipped(T x, T high) {
  return x > high ? high : x;
}

// The DFT of z with transposed parts is the inverse DFT of z with transposed parts: one transform serves both
// directions.
template <class T>
SPECOPS_INLINE Complex<T> transposed_parts(Complex<T> z) {
  return {z.im, z.re};
}

// How often the half-plane column kx stands in the full plane.
SPECOPS_INLINE int half_plane_multiplicity(int64_t kx, int64_t width) { return kx == 0 || 2 * kx == width ? 1 : 2; }

}  // namespace specops
