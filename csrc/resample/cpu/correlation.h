#pragma once

#include "resample/cpu/rows.h"

// Correlations of rows of two images.
namespace specops::SPECOPS_ISA {

// Adds y · sample, of the pixels that are there: what lies beyond them may be infinite.
template <class T>
SPECOPS_INLINE Vec<T> products_added(Vec<T> sum, const T* y, const T* samples, int64_t count) {
  using Real = RealPixels<T>;
  constexpr int64_t L = kLanes<T>;
  Vec<T> second = {};
  int64_t i = 0;
  for (; i + 2 * L <= count; i += 2 * L) {
    sum += load(y + i) * load(samples + i);
    second += load(y + i + L) * load(samples + i + L);
  }
  if (i + L <= count) sum += load(y + i) * load(samples + i), i += L;
  if (i < count) {
    second += read_pixels<Real, T>(y + i, 1, count - i) * read_pixels<Real, T>(samples + i, 1, count - i);
  }
  return sum + second;
}

// lanes [n_sums, L] -> sums, and zeros in their place.
template <class T>
static void collect_lanes(T* lanes, int64_t n_sums, double* sums) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; i < n_sums; ++i) {
    for (int64_t lane = 0; lane < L; ++lane)
      sums[i] += static_cast<double>(lanes[i * L + lane]), lanes[i * L + lane] = 0;
  }
}

// With one row of y in buffers.phase, by phases.
template <class T>
static void correlate_row(const resample::Operator<T>& op, const RowBuffers<T>& buffers, int64_t begin, int64_t end) {
  constexpr int64_t L = kLanes<T>;
  const resample::Columns& columns = op.columns;
  for (int64_t term = begin; term < end; ++term) {
    const T* samples = buffers.slots + buffers.slot_of[term - begin] * op.buffers.slot;
    T* lanes = buffers.lanes + op.rows.terms[term].tap * columns.n_taps * L;
    for (int64_t r = 0, k = 0; r < columns.phases; ++r) {
      const int64_t count = (columns.n_out - 1 - r) / columns.phases + 1;
      for (; k < columns.ends[r]; ++k) {
        const T* y = buffers.phase + r * op.buffers.phase_pitch;
        store(lanes + k * L, products_added(load(lanes + k * L), y, samples + op.offsets[k], count));
      }
    }
  }
}

template <class In, class T>
static void correlate_rows_of(const resample::Operator<T>& op, const void* x, const void* y, int64_t y_row,
                              int64_t begin, int64_t end, double* sums, char* scratch) {
  constexpr int64_t kRowsPerCollection = 32;  // few enough not to lose digits
  const RowBuffers<T> buffers(op, scratch);
  const auto* from = static_cast<const typename In::Stored*>(x) + op.columns.read_begin;
  const int64_t zero = 0;
  const T one = T(1);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t first = row == 0 ? 0 : op.rows.ends[row - 1], last = op.rows.ends[row];
    fill_slots<In>(op, buffers, from, row, first, last);
    const auto* y_from = static_cast<const typename In::Stored*>(y) + row * y_row;
    weighted_sum<In, RealPixels<T>>(y_from, Sum<T>{&zero, &one, 1}, op.columns.n_out, buffers.out);
    deal(buffers.out, op.columns.n_out, op.columns.phases, op.buffers.phase_pitch, buffers.phase);
    correlate_row(op, buffers, first, last);
    if ((row - begin) % kRowsPerCollection == kRowsPerCollection - 1 || row + 1 == end) {
      collect_lanes(buffers.lanes, op.fh * op.columns.n_taps, sums);
    }
  }
}

template <class T>
static void correlate_rows(const resample::Operator<T>& op, Pixel type, const void* x, const void* y, int64_t y_row,
                           int64_t begin, int64_t end, double* sums, char* scratch) {
  for_pixels<T>(type,
                [&](auto pixels) { correlate_rows_of<decltype(pixels)>(op, x, y, y_row, begin, end, sums, scratch); });
}

}  // namespace specops::SPECOPS_ISA
