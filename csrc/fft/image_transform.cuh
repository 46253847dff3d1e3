#pragma once

// The transform of a real image [H, W], float32, in the registers and the shared memory of one group of threads.
//
// Columns go first: a float4 of four neighbouring pixels of a row is two complex numbers, each a pair of real columns
// of the same image, so that pixels go from global memory into registers in the layout of the first radix. The half
// plane that is left has ky = 0..H/2 and all kx; (ky, kx) with ky > H/2 is the conjugate of (H-ky, W-kx). The lines ky
// = 0 and ky = H/2 along x, each the transform of real numbers, travel as one: line 0 is C = X[0] + i X[H/2].
//
// A line of N numbers takes one radix E and one radix T = N / E, T <= E: E numbers on each of T threads, which hold the
// numbers t + T j, j < E, before and after, so that transforms follow each other without a reordering. Every thread has
// two lines' worth: along y two pairs of columns, along x the numbers 2h + T j and 2h + 1 + T j of one line.
//
// Shared memory is [H, W/4 + 1] float4. That pitch is 1 modulo 8, so eight lanes in turn meet no bank twice where they
// hold neighbours of one row, or four neighbours of two rows that differ by 4, or two of four rows that differ by 2.

#include "fft/registers.cuh"

namespace specops::fft {

template <int H_, int W_>
struct Shape {
  static constexpr int H = H_, W = W_;
  static constexpr int E = H > 64 || W > 64 ? 16 : 8;
  static constexpr int kAlongY = H / E, kAlongX = W / E;  // T of the two directions
  static constexpr int kLaneColumns = 32 / kAlongY;       // float4 columns of a warp in the pass along y
  static constexpr int kLineThreads = kAlongX / 2;        // threads of a line in the pass along x
  static constexpr int kLaneLines = 32 / kLineThreads;
  static constexpr int kImageThreads = H * W / (4 * E);
  static constexpr int kImages = kImageThreads < 128 ? 128 / kImageThreads : 1;  // per block
  static constexpr int kThreads = kImageThreads * kImages;
  static constexpr int kRow = W / 4;  // float4 per row of pixels
  static constexpr int kPitch = kRow + 1;
  static constexpr int kImageCells = H * kPitch;  // float4 of shared memory
  static_assert(kImageThreads % 32 == 0 && kAlongY <= 8 && kAlongX <= 8 && kAlongY >= 4 && kAlongX >= 4, "not served");
};

// What the thread does, in the pass along y: numbers t + T j of the two pairs of columns in float4 column `column`;
// along x: numbers 2h + b + T j of line ky, whose mirror is line `mirror`.
template <class S>
struct Place {
  int image, t, column, h, ky, mirror;

  SPECOPS_DEVICE Place() {
    const int lane = threadIdx.x % 32, warp = threadIdx.x % S::kImageThreads / 32;
    image = threadIdx.x / S::kImageThreads;
    column = warp * S::kLaneColumns + lane % S::kLaneColumns;
    t = S::kAlongY == 8 ? bits_reversed(lane / S::kLaneColumns) : lane / S::kLaneColumns;
    h = lane % S::kLineThreads;
    ky = warp * S::kLaneLines + bits_reversed(lane / S::kLineThreads);
    mirror = ky == 0 ? S::H / 2 : S::H - ky;
  }

  // The low three, so that neighbours differ by 4.
  static SPECOPS_DEVICE int bits_reversed(int i) { return (i & ~7) | (i & 1) << 2 | (i & 2) | (i >> 2 & 1); }

  SPECOPS_DEVICE bool first_warp() const { return threadIdx.x % S::kImageThreads < 32; }
  // Line 0 is the pair of ky = 0 and ky = H/2.
  SPECOPS_DEVICE bool paired() const { return ky == 0; }
};

// Waits for all threads of the image.
template <class S>
SPECOPS_DEVICE void sync_image() {
  if constexpr (S::kImageThreads == 32) {
    __syncwarp();
  } else {
    __syncthreads();
  }
}

// z[k] *= exp(∓ 2 pi i k t / N), ∓ being - forward; the table has exp(2 pi i m / kTable). Each factor is read: products
// of a few would cost as many instructions, and up to three roundings.
template <int N, int E, int kTable, Direction D>
SPECOPS_DEVICE void twiddle(Complex* z, Complex* also, const float2* table, int t) {
#pragma unroll
  for (int k = 1; k < E; ++k) {
    const float2 entry = table[t * k * (kTable / N)];
    const Complex factor = {entry.x, D == Direction::kForward ? -entry.y : entry.y};
    z[k] = z[k] * factor;
    if (also != nullptr) also[k] = also[k] * factor;
  }
}

// The second radix: T numbers at a time, then renamed so that z[j] is number t + T j.
template <int E, int T, Direction D>
SPECOPS_DEVICE void second_radix(Complex* z) {
  constexpr int kGroups = E / T;
  Complex ordered[E];
#pragma unroll
  for (int group = 0; group < kGroups; ++group) transform<T, D>(z + group * T);
#pragma unroll
  for (int j = 0; j < E; ++j) ordered[j] = z[j % kGroups * T + j / kGroups];
#pragma unroll
  for (int j = 0; j < E; ++j) z[j] = ordered[j];
}

SPECOPS_DEVICE float4 packed(Complex a, Complex b) { return make_float4(a.re, a.im, b.re, b.im); }
SPECOPS_DEVICE Complex first_of(float4 cell) { return {cell.x, cell.y}; }
SPECOPS_DEVICE Complex second_of(float4 cell) { return {cell.z, cell.w}; }

// Along y. A column belongs to lanes of one warp, which exchange their numbers in the column's own cells.
template <class S, int kTable, Direction D>
SPECOPS_DEVICE void transform_columns(Complex (&z)[2][S::E], float4* cells, const float2* table, const Place<S>& at) {
  constexpr int E = S::E, T = S::kAlongY;
  constexpr int kFlip = T == 8 ? 4 : 0;  // rows that lanes read together would be 0 modulo 8 without it
  float4* const own = cells + at.column;
  transform<E, D>(z[0]);
  transform<E, D>(z[1]);
  twiddle<S::H, E, kTable, D>(z[0], z[1], table, at.t);
  __syncwarp();  // earlier reads of these cells are done
#pragma unroll
  for (int k = 0; k < E; ++k) own[(T * k + (at.t ^ (k & kFlip))) * S::kPitch] = packed(z[0][k], z[1][k]);
  __syncwarp();
#pragma unroll
  for (int j = 0; j < E; ++j) {  // number j % T of transform k = t + T (j / T)
    const float4 cell = own[(T * (at.t + j / T * T) + (j % T ^ (at.t & kFlip))) * S::kPitch];
    z[0][j] = first_of(cell);
    z[1][j] = second_of(cell);
  }
  __syncwarp();  // the caller may overwrite the cells
  second_radix<E, T, D>(z[0]);
  second_radix<E, T, D>(z[1]);
}

// Along x. The line's lanes exchange their numbers in the rows `ky` and `mirror`, which no other line needs.
template <class S, int kTable, Direction D>
SPECOPS_DEVICE void transform_line(Complex (&z)[2][S::E], float4* cells, const float2* table, const Place<S>& at) {
  constexpr int E = S::E, T = S::kAlongX, kLanes = S::kLineThreads;
  float4* const rows[2] = {cells + at.ky * S::kPitch, cells + at.mirror * S::kPitch};
#pragma unroll
  for (int b = 0; b < 2; ++b) {
    transform<E, D>(z[b]);
    twiddle<S::W, E, kTable, D>(z[b], nullptr, table, 2 * at.h + b);
  }
  __syncwarp();
#pragma unroll
  for (int k = 0; k < E; ++k) {
    rows[k % 2][k / 2 * kLanes + (at.h ^ (k / 2 & (kLanes - 1)))] = packed(z[0][k], z[1][k]);
  }
  __syncwarp();
#pragma unroll
  for (int b = 0; b < 2; ++b) {
#pragma unroll
    for (int i = 0; i < E / 2; ++i) {  // numbers 2s and 2s + 1, s = i % kLanes, of transform 2h + b + T (i / kLanes)
      const float4 cell = rows[b][(at.h + i / kLanes * kLanes) * kLanes + (i % kLanes ^ at.h)];
      z[b][2 * i] = first_of(cell);
      z[b][2 * i + 1] = second_of(cell);
    }
  }
  __syncwarp();
  second_radix<E, T, D>(z[0]);
  second_radix<E, T, D>(z[1]);
}

// Pixels in registers, z[b][j] of rows t + T j, to lines: z[b][j] = 2 X[ky][2h + b + T j], and C, not doubled, of line
// 0.
template <class S, int kTable>
SPECOPS_DEVICE void to_lines(Complex (&z)[2][S::E], float4* cells, const float2* table, const Place<S>& at) {
  constexpr int T = S::kAlongY, kLanes = S::kLineThreads;
  transform_columns<S, kTable, Direction::kForward>(z, cells, table, at);
#pragma unroll
  for (int j = 0; j < S::E; ++j) cells[(at.t + T * j) * S::kPitch + at.column] = packed(z[0][j], z[1][j]);
  sync_image<S>();
  // Not as Complex, which may lie anywhere: such a load may be made in two.
  const float2* const line = reinterpret_cast<const float2*>(cells + at.ky * S::kPitch);
  const float2* const mirror = reinterpret_cast<const float2*>(cells + at.mirror * S::kPitch);
#pragma unroll
  for (int j = 0; j < S::E; ++j) {  // the real columns 2c and 2c + 1, c = h + kLanes j
    const float2 first = line[at.h + kLanes * j], second = mirror[at.h + kLanes * j];
    const Complex pair = {first.x, first.y}, other = {second.x, second.y};
    z[0][j] = at.paired() ? Complex{pair.re, other.re} : twice_first(pair, other);
    z[1][j] = at.paired() ? Complex{pair.im, other.im} : twice_second(pair, other);
  }
  transform_line<S, kTable, Direction::kForward>(z, cells, table, at);
}

// The way back: lines, with those of line 0 as C, to pixels, unscaled.
template <class S, int kTable>
SPECOPS_DEVICE void to_pixels(Complex (&z)[2][S::E], float4* cells, const float2* table, const Place<S>& at) {
  constexpr int T = S::kAlongY, kLanes = S::kLineThreads;
  transform_line<S, kTable, Direction::kInverse>(z, cells, table, at);
  Complex* const line = reinterpret_cast<Complex*>(cells + at.ky * S::kPitch);
  Complex* const mirror = reinterpret_cast<Complex*>(cells + at.mirror * S::kPitch);
#pragma unroll
  for (int j = 0; j < S::E; ++j) {
    const Complex a = z[0][j], b = z[1][j];
    line[at.h + kLanes * j] = at.paired() ? Complex{a.re, b.re} : joined(a, b);
    mirror[at.h + kLanes * j] = at.paired() ? Complex{a.im, b.im} : joined_mirrored(a, b);
  }
  sync_image<S>();
#pragma unroll
  for (int j = 0; j < S::E; ++j) {
    const float4 cell = cells[(at.t + T * j) * S::kPitch + at.column];
    z[0][j] = first_of(cell);
    z[1][j] = second_of(cell);
  }
  transform_columns<S, kTable, Direction::kInverse>(z, cells, table, at);
}

SPECOPS_DEVICE Complex from_lane(Complex z, int lane) {
  return {__shfl_sync(0xffffffffu, z.re, lane), __shfl_sync(0xffffffffu, z.im, lane)};
}

// Calls f(b, j, C[kx], conj C[-kx]) for all numbers of the lines of a warp, each before f may have changed it: kx =
// 2h + b + T j and -kx are on two lanes of the line, or on one.
template <class S, class F>
SPECOPS_DEVICE void meet_mirrored(const Complex (&z)[2][S::E], const Place<S>& at, const F& f) {
  constexpr int E = S::E, kLanes = S::kLineThreads;
  const int first_lane = threadIdx.x % 32 - at.h;
  const int even_lane = first_lane + ((kLanes - at.h) & (kLanes - 1)), odd_lane = first_lane + kLanes - 1 - at.h;
  Complex mirror_of_low = z[0][0];  // of kx = T j, that is number T (E - j)
#pragma unroll
  for (int low = 0; low < E / 2; ++low) {
    const int high = E - 1 - low;
    const Complex odd_low = from_lane(z[1][low], odd_lane), odd_high = from_lane(z[1][high], odd_lane);
    f(1, low, z[1][low], conjugate(odd_high));
    f(1, high, z[1][high], conjugate(odd_low));
    const Complex even_low = from_lane(z[0][low], even_lane), even_high = from_lane(z[0][high], even_lane);
    const Complex of_low = at.h == 0 ? mirror_of_low : even_high, of_high = at.h == 0 ? z[0][low + 1] : even_low;
    mirror_of_low = z[0][high];
    f(0, low, z[0][low], conjugate(of_low));
    f(0, high, z[0][high], conjugate(of_high));
  }
}

}  // namespace specops::fft
