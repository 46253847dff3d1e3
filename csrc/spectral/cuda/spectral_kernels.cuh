#pragma once

// The spectral ops in one launch, for the shapes of fft::Shape: pixels are read once, the spectrum lives in registers
// and shared memory, results are written once. One group of threads per image; images never meet.

#include "fft/image_transform.cuh"
#include "spectral/cuda/bins.cuh"
#include "spectral/cuda/range.cuh"

namespace specops::spectral {

using fft::Complex;
using fft::Place;

template <class S>
constexpr int kTableOf = S::H > S::W ? S::H : S::W;

// The image of a group. Groups beyond the last image do its work again and write nothing.
template <class S>
struct Images {
  int image;
  bool live;

  SPECOPS_DEVICE Images(int n_images, int group) {
    const int wanted = blockIdx.x * S::kImages + group;
    live = S::kImages == 1 || wanted < n_images;
    image = live ? wanted : n_images - 1;
  }
};

template <class S>
SPECOPS_DEVICE void load_pixels(Complex (&z)[2][S::E], const float* __restrict__ x, int image, const Place<S>& at) {
  const float4* const pixels =
      reinterpret_cast<const float4*>(x) + static_cast<int64_t>(image) * (S::H * S::kRow) + at.column;
#pragma unroll
  for (int j = 0; j < S::E; ++j) {
    const float4 four = pixels[(at.t + S::kAlongY * j) * S::kRow];
    z[0][j] = fft::first_of(four);
    z[1][j] = fft::second_of(four);
  }
}

template <class S>
SPECOPS_DEVICE void store_pixels(const Complex (&z)[2][S::E], float* y, int image, const Place<S>& at) {
  float4* const pixels = reinterpret_cast<float4*>(y) + static_cast<int64_t>(image) * (S::H * S::kRow) + at.column;
#pragma unroll
  for (int j = 0; j < S::E; ++j) {
    pixels[(at.t + S::kAlongY * j) * S::kRow] = fft::packed(z[0][j], z[1][j]);
  }
}

// Float4 per row of values. Where bins are coefficients in their order, the bank of the first in a row is 3 further on
// than that of the bin: as near as conflict-free stores allow.
template <class S>
constexpr int kValuePitch = S::W == 32 ? 13 : S::kPitch;

// Sums weight · value(b, j) over the points of each bin, value being four times what line `ky` has at kx = 2h + b + T
// j; paired_values stores those of the lines 0 and H/2. The values go through the cells as [H/2 + 1, W].
template <class S, class Value, class PairedValues>
SPECOPS_DEVICE void sum_lines(float4* cells, const Value& value, const PairedValues& paired_values,
                              const Point<float>* points, const Pool* pools, float* sums, int n_bins, int bins_per_pool,
                              bool live, const Place<S>& at) {
  static_assert(kValuePitch<S> == S::kPitch || S::kImageThreads == 32, "rows of lines that other warps may still read");
  Complex* const line = reinterpret_cast<Complex*>(cells + at.ky * kValuePitch<S>) + at.h;
  if (at.first_warp()) {
    float* const last = reinterpret_cast<float*>(cells + S::H / 2 * kValuePitch<S>) + 2 * at.h;
    float* const first = reinterpret_cast<float*>(cells) + 2 * at.h;
    paired_values([&](int b, int j, float of_first, float of_last) {
      if (!at.paired()) return;
      first[S::kAlongX * j + b] = of_first;
      last[S::kAlongX * j + b] = of_last;
    });
  }
  if (!at.paired()) {
#pragma unroll
    for (int j = 0; j < S::E; ++j) line[S::kLineThreads * j] = {value(0, j), value(1, j)};
  }
  fft::sync_image<S>();
  sum_bins(reinterpret_cast<const float*>(cells), points, pools, sums, n_bins, bins_per_pool,
           threadIdx.x % S::kImageThreads, S::kImageThreads, live);
}

// sums[b, k] = Σ weight_p |X_p|²; weights of the points carry the quarter of the doubled spectrum.
template <class S>
__global__ void __launch_bounds__(S::kThreads, S::E == 16 ? 2 : 7)
    binned_power_kernel(const float* __restrict__ x, const float2* table, const Point<float>* __restrict__ points,
                        const Pool* __restrict__ pools, float* __restrict__ sums, int n_images, int n_bins,
                        int bins_per_pool) {
  SPECOPS_DYN_SMEM(float4, shared);
  const Place<S> at;
  const Images<S> images(n_images, at.image);
  float4* const cells = shared + at.image * S::kImageCells;
  Complex z[2][S::E];
  load_pixels(z, x, images.image, at);
  fft::to_lines<S, kTableOf<S>>(z, cells, table, at);
  sum_lines<S>(
      cells, [&](int b, int j) { return power(z[b][j]); },
      [&](const auto& store) {
        fft::meet_mirrored(z, at, [&](int b, int j, Complex c, Complex d) { store(b, j, power(c + d), power(c - d)); });
      },
      points, pools, sums + static_cast<int64_t>(images.image) * n_bins, n_bins, bins_per_pool, images.live, at);
}

// Returns the pointer, hidden from the compiler: addresses that were computed from it are computed again, rather than
// kept in registers that a kernel does not have.
template <class T>
SPECOPS_DEVICE const T* addressed_anew(const T* pointer) {
  int nothing = 0;
#if defined(__CUDA_ARCH__)
  asm volatile("" : "+r"(nothing));
#endif
  return pointer + nothing;
}

// sums[b, k] = Σ weight_p Re(conj X_p · Y_p); the lines of x wait in registers while y is transformed.
template <class S>
__global__ void __launch_bounds__(S::kThreads, S::E == 16 ? 1 : 3)
    binned_cross_spectrum_kernel(const float* __restrict__ x, const float* __restrict__ y, const float2* table,
                                 const Point<float>* __restrict__ points, const Pool* __restrict__ pools,
                                 float* __restrict__ sums, int n_images, int n_bins, int bins_per_pool) {
  SPECOPS_DYN_SMEM(float4, shared);
  const Place<S> at;
  const Images<S> images(n_images, at.image);
  float4* const cells = shared + at.image * S::kImageCells;
  Complex from_x[2][S::E], from_y[2][S::E];
  load_pixels(from_x, x, images.image, at);
  fft::to_lines<S, kTableOf<S>>(from_x, cells, table, at);
  load_pixels(from_y, y, images.image, at);
  fft::sync_image<S>();  // the lines of x are out of the cells
  fft::to_lines<S, kTableOf<S>>(from_y, cells, addressed_anew(table), at);
  sum_lines<S>(
      cells, [&](int b, int j) { return cross(from_x[b][j], from_y[b][j]); },
      [&](const auto& store) {
        Complex mirrored[2][S::E];
        fft::meet_mirrored(from_x, at, [&](int b, int j, Complex, Complex d) { mirrored[b][j] = d; });
        fft::meet_mirrored(from_y, at, [&](int b, int j, Complex c, Complex d) {
          const Complex from = from_x[b][j], other = mirrored[b][j];
          store(b, j, cross(from + other, c + d), cross(from - other, c - d));
        });
      },
      points, pools, sums + static_cast<int64_t>(images.image) * n_bins, n_bins, bins_per_pool, images.live, at);
}

// The gain of a coefficient is weight · profile[bin]; none (-1) is 0, whatever the profile holds.
struct alignas(8) Gain {
  int32_t bin;
  float weight;
};

SPECOPS_DEVICE float gain_of(Gain gain, const float* profile) {
  const float value = profile[gain.bin < 0 ? 0 : gain.bin];
  return gain.bin < 0 ? 0.0f : gain.weight * value;
}

// Multiplies lines by the gains, which carry the half of the doubled spectrum: [2E, image threads], as the lines lie on
// the threads; then [H/2, 2], the second terms of the columns kx = 0 and W/2, which act through the mean of the gains
// at ky and -ky; then [2E, threads of a line], those of the line H/2. Gains g of line 0 and g' of line H/2 make (g +
// g') C[kx] + (g - g') conj C[-kx] of their pair C. All warps do that, with no second term but in line 0: a branch for
// the warp that has it doubles the code after it, and the registers.
template <class S>
SPECOPS_DEVICE void apply_gains(Complex (&z)[2][S::E], const Gain* gains, const float* profile, const Place<S>& at) {
  constexpr int E = S::E, kColumns = 2 * E * S::kImageThreads, kLastLine = kColumns + S::H;
  const Gain* const own_gains = gains + threadIdx.x % S::kImageThreads;
  fft::meet_mirrored(z, at, [&](int b, int j, Complex c, Complex d) {
    const int i = 2 * j + b;
    float gain = gain_of(own_gains[i * S::kImageThreads], profile);
    if (i % E == 0 && at.h == 0) gain += gain_of(gains[kColumns + 2 * at.ky + i / E], profile);
    const float last = at.paired() ? gain_of(gains[kLastLine + i * S::kLineThreads + at.h], profile) : 0.0f;
    const float sum = gain + last, difference = at.paired() ? gain - last : 0.0f;
    z[b][j] = {sum * c.re + difference * d.re, sum * c.im + difference * d.im};
  });
}

// Where in shared memory sixteen slopes of a row are: turned by rows, so that neither lanes that take four of them in a
// column nor those that take sixteen along rows meet a bank twice.
template <class S>
SPECOPS_DEVICE int sixteen_slopes_at(int row, int sixteen) {
  return row * S::W + (sixteen + row * S::W / 128) % (S::W / 16) * 16;
}

// The four slopes of pixels (row, 4 column) and on, in shared memory.
template <class S>
SPECOPS_DEVICE char4* four_slopes(int8_t* bytes, int row, int column) {
  return reinterpret_cast<char4*>(bytes + sixteen_slopes_at<S>(row, column / 4) + column % 4 * 4);
}

// Multiplies pixels by the slopes in their places, which are read 16 bytes at a time by way of the cells.
template <class S>
SPECOPS_DEVICE void apply_slopes(Complex (&z)[2][S::E], float4* cells, const int8_t* __restrict__ slopes, int image,
                                 const Place<S>& at) {
  constexpr int kRowVectors = S::W / 16;
  int8_t* const bytes = reinterpret_cast<int8_t*>(cells);
  const int4* const vectors =
      reinterpret_cast<const int4*>(slopes) + static_cast<int64_t>(image) * (S::H * kRowVectors);
  for (int i = threadIdx.x % S::kImageThreads; i < S::H * kRowVectors; i += S::kImageThreads) {
    *reinterpret_cast<int4*>(bytes + sixteen_slopes_at<S>(i / kRowVectors, i % kRowVectors)) = vectors[i];
  }
  fft::sync_image<S>();
#pragma unroll
  for (int j = 0; j < S::E; ++j) {
    const char4 four = *four_slopes<S>(bytes, at.t + S::kAlongY * j, at.column);
    z[0][j] = {z[0][j].re * static_cast<float>(four.x), z[0][j].im * static_cast<float>(four.y)};
    z[1][j] = {z[1][j].re * static_cast<float>(four.z), z[1][j].im * static_cast<float>(four.w)};
  }
  fft::sync_image<S>();  // the cells are free for lines
}

// y[b] = inverse DFT of weight_p / m_p · profile[b, index_p] · X_p, X of x or of x times slopes
template <class S, bool kSloped>
__global__ void __launch_bounds__(S::kThreads, S::E == 16 ? 1 : 3)
    binned_filter_kernel(const float* x, const int8_t* slopes, const float2* table, const Gain* gains,
                         const float* profiles, float* y, int n_images, int64_t profile_stride) {
  SPECOPS_DYN_SMEM(float4, shared);
  const Place<S> at;
  const Images<S> images(n_images, at.image);
  float4* const cells = shared + at.image * S::kImageCells;
  Complex z[2][S::E];
  load_pixels(z, x, images.image, at);
  if constexpr (kSloped) apply_slopes(z, cells, slopes, images.image, at);
  fft::to_lines<S, kTableOf<S>>(z, cells, table, at);
  apply_gains(z, gains, profiles + images.image * profile_stride, at);
  fft::to_pixels<S, kTableOf<S>>(z, cells, table, at);
  if (images.live) store_pixels(z, y, images.image, at);
}

SPECOPS_DEVICE float4 in_range(float4 u, Range<float> range) {
  return make_float4(in_range(u.x, range), in_range(u.y, range), in_range(u.z, range), in_range(u.w, range));
}

// swapped = in_range(b + filter(a - b)), its slope, and in_range(b). The pixels of b wait in shared memory; where b is
// constant it is read from its first element.
template <class S, bool kConstant>
__global__ void __launch_bounds__(S::kThreads, S::E == 16 ? 1 : 3)
    clipped_band_swap_kernel(const float* a, const float* b, const float2* table, const Gain* gains,
                             const float* profiles, float* swapped, int8_t* slopes, float* kept, int n_images,
                             int64_t profile_stride, float low, float high) {
  SPECOPS_DYN_SMEM(float4, shared);
  const Place<S> at;
  const Images<S> images(n_images, at.image);
  const Range<float> range = {low, high};
  float4* const cells = shared + at.image * S::kImageCells;
  float4* const waiting = shared + S::kImages * S::kImageCells + threadIdx.x;  // [E, threads], unless constant
  const int64_t first_pixels = static_cast<int64_t>(images.image) * (S::H * S::kRow) + at.column;
  const auto pixels_at = [&](int j) { return first_pixels + (at.t + S::kAlongY * j) * S::kRow; };
  const float constant = kConstant ? *b : 0.0f;
  const float4 four_constant = make_float4(constant, constant, constant, constant);
  Complex z[2][S::E];
#pragma unroll
  for (int j = 0; j < S::E; ++j) {
    const float4 from_a = reinterpret_cast<const float4*>(a)[pixels_at(j)];
    const float4 from_b = kConstant ? four_constant : reinterpret_cast<const float4*>(b)[pixels_at(j)];
    if (!kConstant) waiting[j * S::kThreads] = from_b;
    z[0][j] = fft::first_of(from_a) - fft::first_of(from_b);
    z[1][j] = fft::second_of(from_a) - fft::second_of(from_b);
  }
  fft::to_lines<S, kTableOf<S>>(z, cells, table, at);
  apply_gains(z, gains, profiles + images.image * profile_stride, at);
  fft::to_pixels<S, kTableOf<S>>(z, cells, table, at);
  fft::sync_image<S>();  // the cells are free for slopes
  int8_t* const bytes = reinterpret_cast<int8_t*>(cells);
#pragma unroll
  for (int j = 0; j < S::E; ++j) {
    const float4 from_b = kConstant ? four_constant : waiting[j * S::kThreads];
    const float4 u =
        make_float4(from_b.x + z[0][j].re, from_b.y + z[0][j].im, from_b.z + z[1][j].re, from_b.w + z[1][j].im);
    *four_slopes<S>(bytes, at.t + S::kAlongY * j, at.column) =
        make_char4(slope_of(u.x, range), slope_of(u.y, range), slope_of(u.z, range), slope_of(u.w, range));
    if (images.live) reinterpret_cast<float4*>(swapped)[pixels_at(j)] = in_range(u, range);
    if (images.live && kept != nullptr) reinterpret_cast<float4*>(kept)[pixels_at(j)] = in_range(from_b, range);
  }
  fft::sync_image<S>();
  constexpr int kRowVectors = S::W / 16;
  int4* const slope_vectors =
      reinterpret_cast<int4*>(slopes) + static_cast<int64_t>(images.image) * (S::H * kRowVectors);
  for (int i = threadIdx.x % S::kImageThreads; i < S::H * kRowVectors; i += S::kImageThreads) {
    const int4 sixteen = *reinterpret_cast<const int4*>(bytes + sixteen_slopes_at<S>(i / kRowVectors, i % kRowVectors));
    if (images.live) slope_vectors[i] = sixteen;
  }
}

}  // namespace specops::spectral
