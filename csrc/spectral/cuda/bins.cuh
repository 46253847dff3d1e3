#pragma once

// The sums per bin of values in shared memory, in one order for all images.
//
// A warp takes a pool of bins at a time, 1, 4 or 128 of them. The points of a pool lie in 32 lists, one to a lane. In a
// pool of up to four bins, list l holds the points whose value is in bank l, whatever their bin, so that the warp never
// meets a bank twice; each lane has a sum per bin. In a pool of 128 bins, list l holds bins l, l + 32, l + 64 and
// l + 96, of which the lane has a sum each, in an order in which lanes seldom meet a bank; where a lane waits for a
// turn, it has a point of no sum, at the position of another lane's.

#include "common/cuda/launch.cuh"

namespace specops::spectral {

constexpr unsigned kAllLanes = 0xffffffffu;
constexpr int kMostSums = 4;  // of a lane
constexpr int kSumCodes = 8;  // what tells the sum of a point: from kMostSums on, none
constexpr int kTurns = 4;     // taken together, so that their loads wait together

// A value to be added to a sum: kSumCodes · its position + the sum.
template <class T>
struct alignas(2 * sizeof(T)) Point {
  uint32_t place;
  T weight;
};

// Points from `first` on: the first of every list that has one, in the order of lanes, then the second of every list
// that has two, and so on.
struct Pool {
  int32_t first;
  int32_t lengths[32];
};

// The sums of four bins over the lanes of a warp: bin b on lane 8b.
template <class T>
SPECOPS_DEVICE T sum_over_lanes(const T (&sum)[kMostSums], int lane) {
  T pair[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const T kept = lane & 16 ? sum[i + 2] : sum[i], given = lane & 16 ? sum[i] : sum[i + 2];
    pair[i] = kept + __shfl_xor_sync(kAllLanes, given, 16);
  }
  T total = (lane & 8 ? pair[1] : pair[0]) + __shfl_xor_sync(kAllLanes, lane & 8 ? pair[0] : pair[1], 8);
#pragma unroll
  for (int offset = 4; offset > 0; offset /= 2) total += __shfl_xor_sync(kAllLanes, total, offset);
  return total;
}

// sums[k] = Σ weight · value over the points of bin k. `thread` is one of `n_threads`, whole warps, that all call this;
// `live` says whether it may write.
template <class T>
SPECOPS_DEVICE void sum_bins(const T* values, const Point<T>* __restrict__ points, const Pool* __restrict__ pools,
                             T* __restrict__ sums, int n_bins, int bins_per_pool, int thread, int n_threads,
                             bool live) {
  const int lane = thread % 32;
  const unsigned before = (1u << lane) - 1;
  for (int pool = thread / 32; pool * bins_per_pool < n_bins; pool += n_threads / 32) {
    const Point<T>* next = points + pools[pool].first;
    T sum[kMostSums] = {};
    for (int left = pools[pool].lengths[lane]; __any_sync(kAllLanes, left > 0); left -= kTurns) {
      Point<T> turns[kTurns];
      T value[kTurns] = {};
      unsigned readers[kTurns];
#pragma unroll
      for (int turn = 0; turn < kTurns; ++turn) {
        readers[turn] = __ballot_sync(kAllLanes, left > turn);
        // One lane's point for those that have none, or the first of all for a turn that no lane has: no branch.
        turns[turn] = *(readers[turn] == 0 ? points : next + (left > turn ? __popc(readers[turn] & before) : 0));
        next += __popc(readers[turn]);
      }
#pragma unroll
      for (int turn = 0; turn < kTurns && readers[turn] != 0; ++turn) {
        value[turn] = values[turns[turn].place / kSumCodes];
      }
#pragma unroll
      for (int turn = 0; turn < kTurns; ++turn) {
        const int sum_of_point = left > turn ? static_cast<int>(turns[turn].place % kSumCodes) : kMostSums;
#pragma unroll
        for (int i = 0; i < kMostSums; ++i) {
          if (sum_of_point == i) sum[i] += turns[turn].weight * value[turn];
        }
      }
    }
    if (bins_per_pool == 32 * kMostSums) {
#pragma unroll
      for (int i = 0; i < kMostSums; ++i) {
        const int bin = (pool * kMostSums + i) * 32 + lane;
        if (bin < n_bins && live) sums[bin] = sum[i];
      }
    } else {
      const int bin = pool * bins_per_pool + lane / 8;
      const T total = sum_over_lanes(sum, lane);
      if (lane % 8 == 0 && lane / 8 < bins_per_pool && bin < n_bins && live) sums[bin] = total;
    }
  }
}

}  // namespace specops::spectral
