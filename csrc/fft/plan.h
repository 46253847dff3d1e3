#pragma once

#include <cstdint>
#include <vector>

namespace specops::fft {

constexpr int64_t kLongestLine = 1024;
// Odd prime factors above 5 cost O(p) per element; beyond this torch.fft is faster.
constexpr int64_t kLargestFactor = 127;

// One Stockham pass: x[q + stride (p + groups i)] -> y[q + stride (radix p + j)], i, j < radix, p < groups, q < stride.
template <class T>
struct Pass {
  int32_t radix;
  int32_t groups;
  int32_t stride;
  const T* twiddles;  // [groups, radix - 1, 2]: cos and sin of -2 pi p j / (radix groups)
  const T* circle;    // [radix, 2]: cos and sin of 2 pi j / radix
};

// Passes of a transform of length n: at least two, the first and the last of radix 1 (a copy), 2, 3, 4, 5 or 8, so
// that only those need be compiled for every source and sink.
template <class T>
struct LinePlan {
  static constexpr int kMostPasses = 14;
  int32_t length;
  int32_t n_passes;
  Pass<T> passes[kMostPasses];
};

// Whether the engine transforms lines of this length.
bool serves(int64_t length);

// Fills `plan`; `tables` owns what it points to.
template <class T>
void build_line_plan(int64_t length, LinePlan<T>& plan, std::vector<T>& tables);

}  // namespace specops::fft
