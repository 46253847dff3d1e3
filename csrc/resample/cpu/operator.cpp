#include "resample/cpu/operator.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace specops::resample {
namespace {

// Calls f(s, o, tap) for each sample s of the extended row in order, and in order for each output o that it is part of.
template <class F>
void for_samples(const Axis<int64_t>& axis, const F& f) {
  const int64_t first = ceil_div(-axis.before, axis.up);
  const int64_t last = floor_div((axis.n_out - 1) * axis.down - axis.before + axis.n_taps - 1, axis.up);
  for (int64_t s = first; s <= last; ++s) {
    const int64_t at = s * axis.up + axis.before;  // in the padded row
    const int64_t begin = std::max<int64_t>(0, ceil_div(at - axis.n_taps + 1, axis.down));
    const int64_t end = std::min(axis.n_out, floor_div(at, axis.down) + 1);
    for (int64_t o = begin; o < end; ++o) f(s, o, tap_of(axis, o, s));
  }
}

// The taps of each phase; returns the first and last sample in any window.
Move add_phases(const Axis<int64_t>& axis, ColumnsOwner& owner) {
  Columns& columns = owner.columns;
  const int64_t divisor = std::gcd(axis.up, axis.down);
  columns.phases = axis.up / divisor;
  columns.stride = axis.down / divisor;
  Move reach = {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()};
  for (int64_t phase = 0; phase < columns.phases; ++phase) {
    const int64_t last_step = phase < axis.n_out ? (axis.n_out - 1 - phase) / columns.phases : -1;
    const int64_t end = end_sample(axis, phase);
    for (int64_t sample = first_sample(axis, phase); last_step >= 0 && sample < end; ++sample) {
      owner.taps.push_back(tap_of(axis, phase, sample));
      owner.shifts.push_back(sample);
      reach.to = std::min(reach.to, sample);
      reach.from = std::max(reach.from, sample + columns.stride * last_step);
    }
    owner.ends.push_back(static_cast<int64_t>(owner.taps.size()));
  }
  return reach;
}

// What each row shares with the next.
void add_shared(RowsOwner& owner) {
  const Rows rows = owner.view();
  const int64_t n = static_cast<int64_t>(owner.ends.size());
  owner.shared.assign(n, {0, 0});
  for (int64_t row = 0; row + 1 < n; ++row) {
    const Term* end = rows.terms + rows.ends[row];
    const Term* begin = end - rows.count(row);
    const Term* next_end = rows.terms + rows.ends[row + 1];
    if (end == next_end) continue;
    const auto same = [](const Term& a, const Term& b) { return a.source == b.source; };
    const Term* first = std::find_if(begin, end, [&](const Term& term) { return same(term, *end); });
    const Term* last = std::mismatch(first, end, end, next_end, same).first;
    owner.shared[row] = {first - begin, last - first};
  }
  for (int64_t row = 0; row + 1 < n; ++row) {
    if (owner.shared[row + 1].count > owner.shared[row].count) owner.shared[row].count = 0;
  }
}

// A tap that adds a sample to an output beside those of the windows.
struct Fold {
  int64_t to, sample, tap;
};

ColumnsOwner columns_with(const std::vector<Fold>& folds, const Axis<int64_t>& axis) {
  ColumnsOwner owner;
  Columns& columns = owner.columns;
  columns.n_out = axis.n_out;
  auto [first, last] = add_phases(axis, owner);
  for (const Fold& fold : folds) {
    owner.folds.push_back(fold.to);
    owner.taps.push_back(fold.tap);
    owner.shifts.push_back(fold.sample);
    first = std::min(first, fold.sample);
    last = std::max(last, fold.sample);
  }
  if (first > last) return owner;
  int64_t read_begin = std::max<int64_t>(first, 0), read_end = std::min(last + 1, axis.n_in);
  for (int64_t s = first; s <= last && axis.boundary != Boundary::kZeros; ++s) {
    if (s >= 0 && s < axis.n_in) continue;
    const int64_t source = source_of(axis, s);
    owner.copies.push_back({s, source});
    read_begin = std::min(read_begin, source);
    read_end = std::max(read_end, source + 1);
  }
  columns.read_begin = read_begin;
  columns.read_end = std::max(read_begin, read_end);
  const int64_t aligned =
      columns.stride * kWidestVector / static_cast<int64_t>(sizeof(float));  // no vector of it crosses a cache line
  columns.read_to = ceil_div(read_begin - std::min(first, read_begin), aligned) * aligned;
  const int64_t line_begin = owner.line_begin = read_begin - columns.read_to;
  columns.n_line = std::max(last + 1, columns.read_end) - line_begin;
  for (int64_t& shift : owner.shifts) shift -= line_begin;
  for (Move& copy : owner.copies) copy.to -= line_begin, copy.from -= line_begin;
  return owner;
}

}  // namespace

Columns ColumnsOwner::view() const {
  Columns view = columns;
  view.n_copies = static_cast<int64_t>(copies.size());
  view.ends = ends.data();
  view.taps = taps.data();
  view.shifts = shifts.data();
  view.n_taps = static_cast<int64_t>(taps.size());
  view.folds = folds.data();
  view.n_folds = static_cast<int64_t>(folds.size());
  return view;
}

RowsOwner rows_of(const Axis<int64_t>& axis, bool transposed) {
  RowsOwner owner;
  const auto for_terms = [&](const auto& f) {
    for_samples(axis, [&](int64_t s, int64_t o, int64_t tap) {
      const int64_t sample = source_of(axis, s);
      if (sample >= 0) transposed ? f(sample, Term{o, tap}) : f(o, Term{sample, tap});
    });
  };
  std::vector<int64_t>& ends = owner.ends;
  ends.assign(transposed ? axis.n_in : axis.n_out, 0);
  for_terms([&](int64_t row, Term) { ++ends[row]; });
  for (int64_t& count : ends) owner.longest = std::max(owner.longest, count);
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  owner.terms.resize(ends.empty() ? 0 : ends.back());
  std::vector<int64_t> next(ends.size(), 0);
  std::copy(ends.begin(), ends.end() - 1, next.begin() + 1);
  for_terms([&](int64_t row, Term term) { owner.terms[next[row]++] = term; });
  add_shared(owner);
  return owner;
}

ColumnsOwner columns_of(const Axis<int64_t>& axis, bool transposed) {
  if (!transposed) return columns_with({}, axis);
  std::vector<Fold> folds;
  for_samples(axis, [&](int64_t s, int64_t o, int64_t tap) {
    const bool beyond = s < 0 || s >= axis.n_in;
    if (beyond && axis.boundary != Boundary::kZeros) folds.push_back({source_of(axis, s), o, tap});
  });
  const int64_t before = axis.n_taps - 1 - axis.before;
  return columns_with(folds, {axis.n_out, axis.n_in, axis.n_taps, axis.down, axis.up, before, false, Boundary::kZeros});
}

namespace {

// Where the vectors of a line that are not inside the row come from.
template <class T>
class Edges {
 public:
  Edges(const ColumnsOwner& columns, int64_t row_size, int64_t lanes)
      : columns_(columns), row_size_(row_size), lanes_(lanes) {}

  // Appends the lanes of the first and the last vector; false where they do not hold all that is needed: samples
  // [needed_begin, needed_end).
  bool add(int64_t sample, int64_t needed_begin, int64_t needed_end, FusedOwner<T>& owner) const {
    const size_t first = owner.edges.size(), last = first + lanes_;
    owner.edges.resize(first + 2 * lanes_, -1);
    for (int64_t lane = 0; lane < lanes_; ++lane, ++sample) {
      const int64_t source = sample >= needed_begin && sample < needed_end ? source_of(sample) : -1;
      if (source < 0) continue;
      const int64_t place = place_of(source);
      if (place < 0) return false;
      owner.edges[(place < lanes_ ? first : last) + lane] = static_cast<typename LaneOf<T>::type>(place % lanes_);
      (place < lanes_ ? owner.fused.uses_first : owner.fused.uses_last) = true;
    }
    return true;
  }

  // In the first and the last vector, one after the other; -1 if in neither.
  int64_t place_of(int64_t sample) const {
    if (sample < lanes_) return sample;
    return sample >= row_size_ - lanes_ ? sample - row_size_ + 2 * lanes_ : -1;
  }

 private:
  int64_t source_of(int64_t sample) const {
    if (sample >= 0 && sample < row_size_) return sample;
    for (const Move& copy : columns_.copies) {
      if (copy.to == sample - columns_.line_begin) return copy.from + columns_.line_begin;
    }
    return -1;
  }

  const ColumnsOwner& columns_;
  int64_t row_size_, lanes_;
};

}  // namespace

template <class T>
Fused<T> FusedOwner<T>::view() const {
  Fused<T> view = fused;
  view.edges = edges.data();
  view.weights = weights.data();
  view.fold_samples = fold_samples.data();
  return view;
}

template <class T>
FusedOwner<T> fused_of(const ColumnsOwner& owner, int64_t row_size, const std::vector<T>& weights, int64_t lanes) {
  const Columns columns = owner.view();
  const int64_t n_taps = columns.n_taps - columns.n_folds, stride = columns.stride;
  FusedOwner<T> result;
  Fused<T>& fused = result.fused;
  if (columns.phases * stride > 2 || row_size < lanes || n_taps == 0) return result;
  const auto [least, most] = std::minmax_element(owner.shifts.begin(), owner.shifts.begin() + n_taps);
  const int64_t first = *least + owner.line_begin, span = *most - *least + 1;
  const int64_t before = stride * kPlacesBefore, places = stride * kPlaces;
  if (span > places) return result;
  fused.row_size = row_size;
  fused.begin = first + before >= 0 && first + before + span <= places ? 0 : first + before;
  result.weights.assign(columns.phases * places, T(0));
  int64_t needed_end = first;
  for (int64_t r = 0, k = 0; r < columns.phases; ++r) {
    const int64_t last_step = (columns.n_out - 1 - r) / columns.phases;
    for (; k < columns.ends[r]; ++k) {
      const int64_t sample = owner.shifts[k] + owner.line_begin, place = sample - fused.begin + before;
      fused.places[r] |= uint32_t{1} << place;
      result.weights[r * places + place] = weights[k];
      needed_end = std::max(needed_end, sample + stride * last_step + 1);
    }
  }
  fused.inside_begin = ceil_div(-fused.begin, lanes);
  fused.inside_end = floor_div(row_size - fused.begin, lanes);
  const Edges<T> edges(owner, row_size, lanes);
  const bool zeros = owner.copies.empty();
  const int64_t read_begin = zeros ? std::max<int64_t>(first, 0) : first;
  const int64_t read_end = zeros ? std::min(needed_end, row_size) : needed_end;
  fused.first = std::min(floor_div(read_begin - fused.begin, lanes), fused.inside_begin);
  fused.end = std::max(ceil_div(read_end - fused.begin, lanes), fused.inside_end);
  for (int64_t v = fused.first; v < fused.end; ++v) {
    if (v >= fused.inside_begin && v < fused.inside_end) continue;
    if (!edges.add(fused.begin + v * lanes, first, needed_end, result)) return result;
  }
  for (int64_t fold = n_taps; fold < columns.n_taps; ++fold) {
    result.fold_samples.push_back(edges.place_of(owner.shifts[fold] + owner.line_begin));
    if (result.fold_samples.back() < 0) return result;
  }
  fused.serves = true;
  return result;
}

template struct FusedOwner<float>;
template struct FusedOwner<double>;
template FusedOwner<float> fused_of(const ColumnsOwner&, int64_t, const std::vector<float>&, int64_t);
template FusedOwner<double> fused_of(const ColumnsOwner&, int64_t, const std::vector<double>&, int64_t);

template <class T>
bool factored(const T* f, int64_t fh, int64_t fw, std::vector<T>& g, std::vector<T>& h) {
  g.assign(fh, T(1));
  h.assign(fw, T(1));
  if (fh == 1) return std::copy_n(f, fw, h.begin()), true;
  if (fw == 1) return std::copy_n(f, fh, g.begin()), true;
  using Wide = long double;
  std::vector<Wide> rows(fh, 0), columns(fw, 0);
  Wide sum = 0, magnitude = 0;
  int64_t largest = 0;
  for (int64_t i = 0; i < fh * fw; ++i) {
    rows[i / fw] += f[i], columns[i % fw] += f[i], sum += f[i], magnitude += std::fabs(f[i]);
    if (std::fabs(f[i]) > std::fabs(f[largest])) largest = i;
  }
  if (!std::isfinite(magnitude) || magnitude == 0) return false;
  // Sums lose what single taps do to rounding; where they cancel, a row and a column through the largest tap stand in.
  if (std::fabs(sum) < magnitude / 8) {
    for (int64_t i = 0; i < fh; ++i) rows[i] = f[i * fw + largest % fw];
    for (int64_t j = 0; j < fw; ++j) columns[j] = f[largest / fw * fw + j];
    sum = f[largest];
  }
  const Wide root = std::sqrt(std::fabs(sum));
  for (int64_t i = 0; i < fh; ++i) g[i] = static_cast<T>(rows[i] / root);
  for (int64_t j = 0; j < fw; ++j) h[j] = static_cast<T>(columns[j] / (sum < 0 ? -root : root));
  const Wide allowed = 4 * static_cast<Wide>(std::numeric_limits<T>::epsilon());
  for (int64_t i = 0; i < fh * fw; ++i) {
    const Wide product = static_cast<Wide>(g[i / fw]) * h[i % fw];
    if (!(std::fabs(product - f[i]) <= allowed * std::fabs(static_cast<Wide>(f[i])))) return false;
  }
  return true;
}

template bool factored(const float*, int64_t, int64_t, std::vector<float>&, std::vector<float>&);
template bool factored(const double*, int64_t, int64_t, std::vector<double>&, std::vector<double>&);

}  // namespace specops::resample
