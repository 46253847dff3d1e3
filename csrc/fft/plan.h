#pragma once

#include <cstdint>
#include <vector>

namespace specops::fft {

constexpr int64_t kLongestLine = 1024;
// An odd prime factor p above 5 costs O(p) per element; above this the chirp is faster.
constexpr int64_t kLargestFactor = 31;

// One Stockham pass: x[q + stride (p + groups i)] -> y[q + stride (radix p + j)], i, j < radix, p < groups, q < stride.
template <class T>
struct Pass {
  int32_t radix;
  int32_t groups;
  int32_t stride;
  const T* twiddles;  // [groups, radix - 1, 2]: cos and sin of -2 pi p j / (radix groups)
  const T* circle;    // [radix, 2]: cos and sin of 2 pi j / radix
};

// A transform of n = length. Its passes are at least two, the first and the last of radix 1 (a copy), 2, 3, 4, 5 or 8,
// so that only those need be compiled for every source and sink. Lengths with a large prime factor go by Bluestein's
// chirp, ij = (i^2 + j^2 - (i - j)^2) / 2: a circular convolution of n_padded >= 2n - 1, whose transforms the passes
// are.
template <class T>
struct LinePlan {
  static constexpr int kMostPasses = 16;
  int32_t length, n_padded;
  int32_t n_passes;
  Pass<T> passes[kMostPasses];
  const T* chirp;   // [n, 2]: exp(-i pi j^2 / n), or nullptr
  const T* kernel;  // [n_padded, 2]: transform of the conjugate chirp, over n_padded
};

// Whether the engine transforms lines of this length.
inline bool serves(int64_t length) { return 1 <= length && length <= kLongestLine; }

// Fills `plan`; `tables` owns what it points to.
template <class T>
void build_line_plan(int64_t length, LinePlan<T>& plan, std::vector<T>& tables);

}  // namespace specops::fft
