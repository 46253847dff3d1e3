#pragma once

#include "fft/butterfly.h"
#include "fft/plan.h"

// One line per lane: L transforms of one length at once, from a source to a sink, through two buffers.
// A source gives element i, a sink takes coefficient k; both are passed by value and inlined into the passes.
namespace specops::SPECOPS_ISA {

template <class T>
struct FromBuffer {
  const Complex<Vec<T>>* from;
  SPECOPS_MEMBER Complex<Vec<T>> operator()(int64_t i) const { return {from[i].re, from[i].im}; }
};

template <class T>
struct ToBuffer {
  Complex<Vec<T>>* to;
  SPECOPS_MEMBER void operator()(int64_t k, Complex<Vec<T>> z) const { to[k].re = z.re, to[k].im = z.im; }
};

// Input i of one butterfly.
template <class T, class Source>
struct Input {
  Source source;
  int64_t first, step;
  SPECOPS_MEMBER Complex<Vec<T>> operator()(int i) const {
    const Complex<Vec<T>> z = source(first + step * i);
    return {held(z.re), held(z.im)};
  }
};

// Output j of one butterfly, times its twiddle.
template <class T>
struct TwiddledOutput {
  Complex<Vec<T>>* to;
  int64_t step;
  const T* twiddles;
  SPECOPS_MEMBER void operator()(int j, Complex<Vec<T>> z) const {
    if (j > 0) z = rotated(z, twiddles[2 * j - 2], twiddles[2 * j - 1]);
    to[step * j].re = z.re, to[step * j].im = z.im;
  }
};

template <class Sink>
struct SinkOutput {
  Sink sink;
  int64_t first, step;
  template <class Z>
  SPECOPS_MEMBER void operator()(int j, Z z) const {
    sink(first + step * j, z);
  }
};

template <int R, class T, class Source>
static void first_pass(const fft::Pass<T>& pass, Source source, Complex<Vec<T>>* __restrict to) {
  const int64_t groups = pass.groups;
  const T* twiddles = pass.twiddles;
  for (int64_t p = 0; p < groups; ++p, twiddles += 2 * (R - 1)) {
    Butterfly<R, T>::run(Input<T, Source>{source, p, groups}, TwiddledOutput<T>{to + R * p, 1, twiddles});
  }
}

template <int R, class T>
static void middle_pass(const fft::Pass<T>& pass, const Complex<Vec<T>>* __restrict from,
                        Complex<Vec<T>>* __restrict to) {
  const int64_t groups = pass.groups, stride = pass.stride;
  const T* twiddles = pass.twiddles;
  for (int64_t p = 0; p < groups; ++p, twiddles += 2 * (R - 1)) {
    for (int64_t q = 0; q < stride; ++q) {
      const Input<T, FromBuffer<T>> input = {{from}, q + stride * p, stride * groups};
      Butterfly<R, T>::run(input, TwiddledOutput<T>{to + q + stride * R * p, stride, twiddles});
    }
  }
}

template <int R, class T, class Sink>
static void last_pass(const fft::Pass<T>& pass, const Complex<Vec<T>>* __restrict from, Sink sink) {
  const int64_t stride = pass.stride;
  for (int64_t q = 0; q < stride; ++q) {
    Butterfly<R, T>::run(Input<T, FromBuffer<T>>{{from}, q, stride}, SinkOutput<Sink>{sink, q, stride});
  }
}

// Any odd radix, by sums over the pairs i, R - i: O(R) operations per element.
template <class T>
static void odd_butterfly(int radix, const T* circle, Complex<Vec<T>>* z) {
  constexpr int kMostPairs = (fft::kLargestFactor - 1) / 2;
  const int pairs = (radix - 1) / 2;
  Complex<Vec<T>> sum[kMostPairs], difference[kMostPairs];
  Complex<Vec<T>> total = z[0];
  const Complex<Vec<T>> first = z[0];
  for (int i = 1; i <= pairs; ++i) {
    sum[i - 1] = z[i] + z[radix - i];
    difference[i - 1] = turned_right(z[i] - z[radix - i]);
    total = total + sum[i - 1];
  }
  for (int j = 1; j <= pairs; ++j) {
    Complex<Vec<T>> even = first, odd = {first.re * T(0), first.re * T(0)};
    odd = scaled(difference[0], circle[2 * j + 1]);
    even = even + scaled(sum[0], circle[2 * j]);
    for (int i = 2, at = 2 * j % radix; i <= pairs; ++i, at = at + j < radix ? at + j : at + j - radix) {
      even = even + scaled(sum[i - 1], circle[2 * at]);
      odd = odd + scaled(difference[i - 1], circle[2 * at + 1]);
    }
    z[j] = even + odd;
    z[radix - j] = even - odd;
  }
  z[0] = total;
}

template <class T>
static void odd_pass(const fft::Pass<T>& pass, const Complex<Vec<T>>* __restrict from, Complex<Vec<T>>* __restrict to) {
  const int64_t groups = pass.groups, stride = pass.stride;
  const int radix = pass.radix;
  Complex<Vec<T>> z[fft::kLargestFactor];
  const T* twiddle = pass.twiddles;
  for (int64_t p = 0; p < groups; ++p, twiddle += 2 * (radix - 1)) {
    for (int64_t q = 0; q < stride; ++q) {
      for (int i = 0; i < radix; ++i) z[i] = from[q + stride * (p + groups * i)];
      odd_butterfly(radix, pass.circle, z);
      to[q + stride * radix * p] = z[0];
      for (int j = 1; j < radix; ++j) {
        to[q + stride * (radix * p + j)] = rotated(z[j], twiddle[2 * j - 2], twiddle[2 * j - 1]);
      }
    }
  }
}

template <int R>
struct Radix {
  static constexpr int value = R;
};

// Calls f(Radix) for the radix of a first or last pass.
template <class F>
SPECOPS_INLINE void for_radix(int radix, const F& f) {
  switch (radix) {
    case 1:
      return f(Radix<1>{});
    case 2:
      return f(Radix<2>{});
    case 3:
      return f(Radix<3>{});
    case 4:
      return f(Radix<4>{});
    case 5:
      return f(Radix<5>{});
    default:
      return f(Radix<8>{});
  }
}

template <class T>
static void run_middle(const fft::Pass<T>& pass, const Complex<Vec<T>>* from, Complex<Vec<T>>* to) {
  switch (pass.radix) {
    case 2:
      return middle_pass<2>(pass, from, to);
    case 3:
      return middle_pass<3>(pass, from, to);
    case 4:
      return middle_pass<4>(pass, from, to);
    case 5:
      return middle_pass<5>(pass, from, to);
    case 8:
      return middle_pass<8>(pass, from, to);
    default:
      return odd_pass(pass, from, to);
  }
}

template <class T>
struct Buffers {
  Complex<Vec<T>>* at[2];
  Complex<Vec<T>>* chirped;
};

template <class T, class Source, class Sink>
static void run_passes(const fft::LinePlan<T>& plan, const Buffers<T>& buffers, Source source, Sink sink) {
  const fft::Pass<T>&first = plan.passes[0], &last = plan.passes[plan.n_passes - 1];
  for_radix(first.radix, [&](auto radix) { first_pass<radix.value>(first, source, buffers.at[0]); });
  int from = 0;
  for (int i = 1; i < plan.n_passes - 1; ++i, from ^= 1)
    run_middle(plan.passes[i], buffers.at[from], buffers.at[from ^ 1]);
  for_radix(last.radix, [&](auto radix) { last_pass<radix.value>(last, buffers.at[from], sink); });
}

// Multiplies by the kernel of the chirp, and transposes the parts for the inverse.
template <class T>
struct ToKernelProduct {
  const T* kernel;
  Complex<Vec<T>>* to;
  SPECOPS_MEMBER void operator()(int64_t k, Complex<Vec<T>> z) const {
    const Complex<Vec<T>> product = rotated(z, kernel[2 * k], kernel[2 * k + 1]);
    to[k].re = product.im, to[k].im = product.re;
  }
};

template <class T, class Source, class Sink>
static void transform_by_chirp(const fft::LinePlan<T>& plan, const Buffers<T>& buffers, Source source, Sink sink) {
  Complex<Vec<T>>* const chirped = buffers.chirped;
  const T* chirp = plan.chirp;
  for (int64_t i = 0; i < plan.length; ++i) chirped[i] = rotated(source(i), chirp[2 * i], chirp[2 * i + 1]);
  for (int64_t i = plan.length; i < plan.n_padded; ++i) chirped[i].re = chirped[i].im = Vec<T>{};
  run_passes(plan, buffers, FromBuffer<T>{chirped}, ToKernelProduct<T>{plan.kernel, chirped});
  run_passes(plan, buffers, FromBuffer<T>{chirped}, ToBuffer<T>{chirped});
  for (int64_t k = 0; k < plan.length; ++k)
    sink(k, rotated(transposed_parts(chirped[k]), chirp[2 * k], chirp[2 * k + 1]));
}

// The sink must not write to the buffers, except to free_buffer().
template <class T, class Source, class Sink>
static void transform(const fft::LinePlan<T>& plan, const Buffers<T>& buffers, Source source, Sink sink) {
  if (plan.chirp == nullptr) {
    run_passes(plan, buffers, source, sink);
  } else {
    transform_by_chirp(plan, buffers, source, sink);
  }
}

// The buffer that transform() does not read from in its last pass.
template <class T>
SPECOPS_INLINE Complex<Vec<T>>* free_buffer(const fft::LinePlan<T>& plan, const Buffers<T>& buffers) {
  return buffers.at[(plan.n_passes - 1) % 2];
}

}  // namespace specops::SPECOPS_ISA
