#pragma once

#include <vector>

#include "resample.h"

namespace specops::resample {

enum class Boundary { kZeros, kReflect, kReplicate, kCircular };

// One axis of upfirdn2d: `n` samples, of which up·n + before + after are filtered and every down-th is kept: n_out.
struct Axis {
  int64_t n, n_out, taps, up, down, before;
  Boundary boundary;
};

struct RowsOwner {
  std::vector<int64_t> ends;
  std::vector<Term> terms;
  int64_t longest = 0;
  Rows view() const { return {ends.data(), terms.data(), longest}; }
};

struct ColumnsOwner {
  Columns columns = {};
  std::vector<Move> copies;
  std::vector<int64_t> ends, taps, shifts, folds;
  Columns view() const;
};

// Each result [n_out] of the operator along an axis, or [n] of its transpose.
RowsOwner rows_of(const Axis& axis, bool transposed);
ColumnsOwner columns_of(const Axis& axis, bool transposed);

// Finds g, h with f[i, j] = g[i] h[j] up to a few roundings of f [fh, fw]; false where there are none.
template <class T>
bool factored(const T* f, int64_t fh, int64_t fw, std::vector<T>& g, std::vector<T>& h);

}  // namespace specops::resample
