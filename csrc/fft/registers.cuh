#pragma once

// Transforms of 2, 4, 8 and 16 complex numbers in registers, natural order in and out, unscaled.

#include "common/cuda/launch.cuh"
#include "common/coefficient.h"

namespace specops::fft {

using Complex = specops::Complex<float>;

enum class Direction { kForward, kInverse };

SPECOPS_INLINE Complex operator*(Complex a, Complex b) { return rotated(a, b.re, b.im); }

// Multiplies by exp(∓ i pi / 2), ∓ being - forward.
template <Direction D>
SPECOPS_INLINE Complex quarter_turned(Complex z) {
  return D == Direction::kForward ? turned_right(z) : Complex{-z.im, z.re};
}

// Multiplies by exp(∓ 2 pi i k / 16), k < 10 a constant.
template <Direction D>
SPECOPS_INLINE Complex sixteenths_turned(Complex z, int k) {
  constexpr float kCosine[10] = {1.0f,         0.92387953f,  0.70710678f,  0.38268343f, 0.0f,
                                 -0.38268343f, -0.70710678f, -0.92387953f, -1.0f,       -0.92387953f};
  constexpr float kSine[10] = {0.0f,        0.38268343f, 0.70710678f, 0.92387953f, 1.0f,
                               0.92387953f, 0.70710678f, 0.38268343f, 0.0f,        -0.38268343f};
  if (k == 0) return z;
  if (k == 4) return quarter_turned<D>(z);
  return rotated(z, kCosine[k], D == Direction::kForward ? -kSine[k] : kSine[k]);
}

template <Direction D>
SPECOPS_INLINE void transform_4(Complex& a, Complex& b, Complex& c, Complex& d) {
  const Complex even = a + c, odd = a - c, sum = b + d, turned = quarter_turned<D>(b - d);
  a = even + sum;
  b = odd + turned;
  c = even - sum;
  d = odd - turned;
}

// Of N numbers z[0], z[1], ...
template <int N, Direction D>
SPECOPS_INLINE void transform(Complex* z) {
  static_assert(N == 2 || N == 4 || N == 8 || N == 16, "a transform in registers");
  if constexpr (N == 2) {
    const Complex first = z[0];
    z[0] = first + z[1];
    z[1] = first - z[1];
  }
  if constexpr (N == 4) transform_4<D>(z[0], z[1], z[2], z[3]);
  if constexpr (N == 8) {  // 2 × 4
    transform_4<D>(z[0], z[2], z[4], z[6]);
    transform_4<D>(z[1], z[3], z[5], z[7]);
    Complex low[4], high[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const Complex turned = sixteenths_turned<D>(z[2 * k + 1], 2 * k);
      low[k] = z[2 * k] + turned;
      high[k] = z[2 * k] - turned;
    }
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      z[k] = low[k];
      z[k + 4] = high[k];
    }
  }
  if constexpr (N == 16) {  // 4 × 4
#pragma unroll
    for (int n = 0; n < 4; ++n) transform_4<D>(z[n], z[n + 4], z[n + 8], z[n + 12]);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
#pragma unroll
      for (int n = 1; n < 4; ++n) z[4 * k + n] = sixteenths_turned<D>(z[4 * k + n], n * k);
      transform_4<D>(z[4 * k], z[4 * k + 1], z[4 * k + 2], z[4 * k + 3]);
    }
#pragma unroll
    for (int row = 0; row < 4; ++row) {
#pragma unroll
      for (int column = 0; column < row; ++column) {
        const Complex other = z[4 * row + column];
        z[4 * row + column] = z[4 * column + row];
        z[4 * column + row] = other;
      }
    }
  }
}

}  // namespace specops::fft
