#pragma once

#include "spectral/cpu/root_and_logarithm.h"

// Sums per bin over values in memory, by the lists of a SumPlan.
namespace specops::SPECOPS_ISA {

// A sum with the digits of two T: what the additions to `high` lose goes to `low`.
template <class T>
struct LongSum {
  T high, low;
  SPECOPS_MEMBER void operator+=(T term) {
    const T sum = high + term, taken = sum - high;
    low += (high - (sum - taken)) + (term - taken);
    high = sum;
  }
  // Where `high` is infinite, `low` is not a number.
  SPECOPS_MEMBER T rounded() const { return low == low ? high + low : high; }
};

template <int Chunk, class T>
SPECOPS_INLINE T chunk_sum(const T* values, const uint16_t* slots) {
  if constexpr (Chunk == 1) {
    return values[slots[0]];
  } else {
    return chunk_sum<Chunk / 2>(values, slots) + chunk_sum<Chunk / 2>(values, slots + Chunk / 2);
  }
}

template <int Chunk, class T, class Sum>
static void sum_chunks(const spectral::SumPlan<T>& sums, int64_t block, const T* values, Sum* totals) {
  const int64_t begin = block == 0 ? 0 : sums.chunk_ends[block - 1], end = sums.chunk_ends[block];
  for (int64_t i = begin; i < end; ++i) {
    totals[sums.bins[i]] += sums.weights[i] * chunk_sum<Chunk>(values, sums.slots + i * Chunk);
  }
}

template <class T, class Sum>
static void sum_block(const spectral::SumPlan<T>& sums, int64_t block, const T* values, Sum* totals) {
  switch (sums.chunk) {
    case 1:
      return sum_chunks<1>(sums, block, values, totals);
    case 2:
      return sum_chunks<2>(sums, block, values, totals);
    case 4:
      return sum_chunks<4>(sums, block, values, totals);
    default:
      return sum_chunks<8>(sums, block, values, totals);
  }
}

// Gives each block of values to the sums: fill(block) writes them.
template <class T, class Fill>
static void sum_blocks(const spectral::SumPlan<T>& sums, T* values, LongSum<T>* totals, T* out, Fill fill) {
  for (int64_t k = 0; k < sums.n_bins; ++k) out[k] = T(0);
  for (int64_t k = 0; k < sums.n_bins && sums.long_sums; ++k) totals[k] = {T(0), T(0)};
  values[sums.zero_slot] = T(0);
  for (int64_t block = 0; block < sums.n_blocks; ++block) {
    fill(block);
    if (sums.long_sums) {
      sum_block(sums, block, values, totals);
    } else {
      sum_block(sums, block, values, out);
    }
  }
  for (int64_t k = 0; k < sums.n_bins && sums.long_sums; ++k) out[k] = totals[k].rounded();
}

template <class T>
struct HalfPlaneValues {
  const T* from;
  int64_t n_values, per_block;
  const spectral::Scaling<T>& scaling;
  T* to;
  SPECOPS_MEMBER void operator()(int64_t block) const {
    const int64_t begin = block * per_block, n = n_values - begin < per_block ? n_values - begin : per_block;
    if (scaling.point.scale == Scale::kPower) {
      for (int64_t i = 0; i < n; ++i) to[i] = from[begin + i];
    } else {
      scale_values(scaling, from + begin, n, to);
    }
  }
};

template <class T>
static void sum_half_plane(const spectral::SumPlan<T>& sums, const spectral::Scaling<T>& scaling, const T* values,
                           int64_t n_values, T* out, char* scratch) {
  LongSum<T>* totals = reinterpret_cast<LongSum<T>*>(scratch);
  T* block = reinterpret_cast<T*>(totals + (sums.long_sums ? sums.n_bins : 0));
  sum_blocks(sums, block, totals, out, HalfPlaneValues<T>{values, n_values, sums.groups_per_block, scaling, block});
}

}  // namespace specops::SPECOPS_ISA
