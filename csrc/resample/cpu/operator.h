#pragma once

#include <vector>

#include "resample/axis.h"
#include "resample/cpu/kernels.h"

namespace specops::resample {

struct RowsOwner {
  std::vector<int64_t> ends;
  std::vector<Term> terms;
  std::vector<Shared> shared;
  int64_t longest = 0;
  Rows view() const { return {ends.data(), terms.data(), shared.data(), longest}; }
};

struct ColumnsOwner {
  Columns columns = {};
  std::vector<Move> copies;
  std::vector<int64_t> ends, taps, shifts, folds;
  int64_t line_begin = 0;  // sample of the row where the line begins
  Columns view() const;
};

// Each result [n_out] of upfirdn2d along an axis, or [n_in] of its transpose.
RowsOwner rows_of(const Axis<int64_t>& axis, bool transposed);
ColumnsOwner columns_of(const Axis<int64_t>& axis, bool transposed);

template <class T>
struct FusedOwner {
  Fused<T> fused = {};
  std::vector<typename LaneOf<T>::type> edges;
  std::vector<T> weights;
  std::vector<int64_t> fold_samples;
  Fused<T> view() const;
};

// How both passes are fused on rows of this size, weights [n_taps], vectors of so many lanes; it may not serve.
template <class T>
FusedOwner<T> fused_of(const ColumnsOwner& columns, int64_t row_size, const std::vector<T>& weights, int64_t lanes);

// Finds g, h with f[i, j] = g[i] h[j] up to a few roundings of f [fh, fw]; false where there are none.
template <class T>
bool factored(const T* f, int64_t fh, int64_t fw, std::vector<T>& g, std::vector<T>& h);

}  // namespace specops::resample
