#pragma once

#include "common/coefficient.h"
#include "simd/vec.h"

// Forward DFTs of radix 1, 2, 3, 4, 5 and 8: emit(j, sum_i load(i) exp(-2 pi i ij / R)). Loads and emits stand where
// they keep few values alive, since 16 registers hold no more than 8 complex vectors.
namespace specops::SPECOPS_ISA {

template <class V, class T>
SPECOPS_INLINE Complex<V> scaled(Complex<V> z, T by) {
  return {z.re * by, z.im * by};
}

template <int R, class T>
struct Butterfly;

template <class T>
struct Butterfly<1, T> {
  template <class Load, class Emit>
  SPECOPS_INLINE void run(Load load, Emit emit) {
    emit(0, load(0));
  }
};

template <class T>
struct Butterfly<2, T> {
  template <class Load, class Emit>
  SPECOPS_INLINE void run(Load load, Emit emit) {
    const Complex<Vec<T>> a = load(0), b = load(1);
    emit(0, a + b);
    emit(1, a - b);
  }
};

template <class T>
struct Butterfly<3, T> {
  template <class Load, class Emit>
  SPECOPS_INLINE void run(Load load, Emit emit) {
    constexpr T kSine = T(0.866025403784438646763723170752936183L);
    const Complex<Vec<T>> first = load(0), b = load(1), c = load(2);
    const Complex<Vec<T>> sum = b + c, turned = turned_right(scaled(b - c, kSine));
    const Complex<Vec<T>> rest = first - scaled(sum, T(0.5));
    emit(0, first + sum);
    emit(1, rest + turned);
    emit(2, rest - turned);
  }
};

template <class T>
struct Butterfly<4, T> {
  template <class Load, class Emit>
  SPECOPS_INLINE void run(Load load, Emit emit) {
    const Complex<Vec<T>> a = load(0), c = load(2);
    const Complex<Vec<T>> even = a + c, difference = a - c;
    const Complex<Vec<T>> b = load(1), d = load(3);
    const Complex<Vec<T>> odd = b + d, turned = turned_right(b - d);
    emit(0, even + odd);
    emit(1, difference + turned);
    emit(2, even - odd);
    emit(3, difference - turned);
  }
};

template <class T>
struct Butterfly<5, T> {
  template <class Load, class Emit>
  SPECOPS_INLINE void run(Load load, Emit emit) {
    constexpr T kCos1 = T(0.309016994374947424102293417182819059L), kCos2 = T(-0.809016994374947424102293417182819059L);
    constexpr T kSin1 = T(0.951056516295153572116439333379382143L), kSin2 = T(0.587785252292473129168705954639072769L);
    const Complex<Vec<T>> first = load(0), z1 = load(1), z2 = load(2), z3 = load(3), z4 = load(4);
    const Complex<Vec<T>> a = z1 + z4, b = z2 + z3, c = turned_right(z1 - z4), d = turned_right(z2 - z3);
    emit(0, first + a + b);
    const Complex<Vec<T>> p = first + scaled(a, kCos1) + scaled(b, kCos2), s = scaled(c, kSin1) + scaled(d, kSin2);
    emit(1, p + s);
    emit(4, p - s);
    const Complex<Vec<T>> q = first + scaled(a, kCos2) + scaled(b, kCos1), t = scaled(c, kSin2) - scaled(d, kSin1);
    emit(2, q + t);
    emit(3, q - t);
  }
};

// Every second input, or output into an array.
template <class Load>
struct EverySecond {
  Load load;
  int first;
  SPECOPS_MEMBER auto operator()(int i) const { return load(2 * i + first); }
};

template <class T>
struct IntoArray {
  Complex<Vec<T>>* array;
  SPECOPS_MEMBER void operator()(int j, Complex<Vec<T>> z) const { array[j].re = z.re, array[j].im = z.im; }
};

template <class T>
struct Butterfly<8, T> {
  template <class Load, class Emit>
  SPECOPS_INLINE void run(Load load, Emit emit) {
    constexpr T kHalfRoot = T(0.707106781186547524400844362104849039L);
    Complex<Vec<T>> even[4], odd[4];
    Butterfly<4, T>::run(EverySecond<Load>{load, 0}, IntoArray<T>{even});
    Butterfly<4, T>::run(EverySecond<Load>{load, 1}, IntoArray<T>{odd});
    emit(0, even[0] + odd[0]);
    emit(4, even[0] - odd[0]);
    const Complex<Vec<T>> one = odd[1] + turned_right(odd[1]);
    emit(1, even[1] + scaled(one, kHalfRoot));
    emit(5, even[1] - scaled(one, kHalfRoot));
    const Complex<Vec<T>> two = turned_right(odd[2]);
    emit(2, even[2] + two);
    emit(6, even[2] - two);
    const Complex<Vec<T>> three = turned_right(odd[3]) - odd[3];
    emit(3, even[3] + scaled(three, kHalfRoot));
    emit(7, even[3] - scaled(three, kHalfRoot));
  }
};

}  // namespace specops::SPECOPS_ISA
