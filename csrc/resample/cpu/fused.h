#pragma once

#include "resample/cpu/kernels.h"
#include "resample/cpu/vectors.h"

// Output rows of an outer product of few taps, whose sums along y stay in registers while they are filtered along x: a
// line in memory would be read elsewhere than it was written, which waits until it has left for the cache, behind all
// output before it.
namespace specops::SPECOPS_ISA {

template <int L, int Shift>
struct Shifted {
  static constexpr int lane(int i) { return Shift + i; }
};

// Lanes [shift, shift + L) of vectors in a row.
template <int Shift, class T>
SPECOPS_INLINE Vec<T> shifted(const Vec<T>* vectors) {
  constexpr int L = kLanes<T>;
  if constexpr (Shift % L == 0) {
    return vectors[Shift / L];
  } else {
    return shuffled<Shifted<L, Shift % L>, T>(vectors[Shift / L], vectors[Shift / L + 1]);
  }
}

// Lanes of v, zeros where a lane is -1.
template <class T>
SPECOPS_INLINE Vec<T> picked(Vec<T> v, const typename resample::LaneOf<T>::type* lanes) {
  using Lanes = typename VectorOf<T>::lanes;
  Lanes choice;
  __builtin_memcpy(&choice, lanes, sizeof choice);
#if defined(__clang__)
  Vec<T> chosen = v;
  for (int i = 0; i < kLanes<T>; ++i) chosen[i] = v[choice[i] & (kLanes<T> - 1)];
#else
  const Vec<T> chosen = __builtin_shuffle(v, choice);
#endif
  return reinterpret_cast<Vec<T>>(reinterpret_cast<Lanes>(chosen) & (choice >= 0));
}

// What one output row, or two that follow each other, sum along y. Of the first row's terms, `shared` from `lag` on are
// of the same input rows as the first terms of the second.
template <int Rows, class T>
struct SumsOfRows {
  Sum<T> rows[Rows];
  int64_t lag, shared;
};

template <int U, class In, class T>
SPECOPS_INLINE void add_terms(const typename In::Stored* from, const Sum<T>& sum, int64_t begin, int64_t end,
                              Vec<T>* sums) {
  for (int64_t term = begin; term < end; ++term) {
    const Vec<T> weight = broadcast(sum.weights[term]);
    for (int u = 0; u < U; ++u) {
      sums[u] += weight * read_pixels<In, T>(from + sum.offsets[term] + u * kLanes<T>, 1, kLanes<T>);
    }
  }
}

// U vectors of each row, whose terms are added in the same order whether it is summed alone or not.
template <int Rows, int U, class In, class T>
SPECOPS_INLINE void sum_rows(const typename In::Stored* from, const SumsOfRows<Rows, T>& sum, Vec<T> (*sums)[U]) {
  const Sum<T>& first = sum.rows[0];
  if constexpr (Rows == 1) {
    sum_vectors<U, In>(from, first, sums[0]);
  } else {
    for (int u = 0; u < U; ++u) sums[0][u] = sums[1][u] = Vec<T>{};
    const Sum<T>& second = sum.rows[1];
    add_terms<U, In>(from, first, 0, sum.lag, sums[0]);
    for (int64_t term = 0; term < sum.shared; ++term) {
      const Vec<T> a = broadcast(first.weights[sum.lag + term]), b = broadcast(second.weights[term]);
      for (int u = 0; u < U; ++u) {
        const Vec<T> samples = held(read_pixels<In, T>(from + second.offsets[term] + u * kLanes<T>, 1, kLanes<T>));
        sums[0][u] += a * samples;
        sums[1][u] += b * samples;
      }
    }
    add_terms<U, In>(from, first, sum.lag + sum.shared, first.n_terms, sums[0]);
    add_terms<U, In>(from, second, sum.shared, second.n_terms, sums[1]);
  }
}

// The lines of one or two output rows.
template <int Rows, class In, class T>
struct LinesOfSums {
  static constexpr int64_t L = kLanes<T>;

  SPECOPS_MEMBER LinesOfSums(const resample::Fused<T>& fused_, const typename In::Stored* plane,
                             const SumsOfRows<Rows, T>& sum_)
      : fused(fused_), from(plane), sum(sum_) {
    if (fused.uses_first) sum_rows<Rows, 1, In>(from, sum, first);
    if (fused.uses_last) sum_rows<Rows, 1, In>(from + fused.row_size - L, sum, last);
  }

  SPECOPS_MEMBER Vec<T> edge(int row, int64_t vector) const {
    const bool left = vector < fused.inside_begin;
    const int64_t inside = left ? 0 : fused.inside_end - fused.inside_begin;
    const int64_t index = vector - fused.first - inside;
    if (vector < fused.first || vector >= fused.end) return Vec<T>{};
    using Lanes = typename VectorOf<T>::lanes;
    const Lanes of_first = reinterpret_cast<Lanes>(picked<T>(first[row][0], fused.edges + index * 2 * L));
    const Lanes of_last = reinterpret_cast<Lanes>(picked<T>(last[row][0], fused.edges + (index * 2 + 1) * L));
    return reinterpret_cast<Vec<T>>(of_first | of_last);
  }

  // N vectors of each line, from this one.
  template <int N>
  SPECOPS_MEMBER void read(int64_t vector, Vec<T> (*sums)[N]) const {
    if (vector >= fused.inside_begin && vector + N <= fused.inside_end) {
      return sum_rows<Rows, N, In>(from + fused.begin + vector * L, sum, sums);
    }
    if (vector >= fused.end || vector + N <= fused.first) {
      for (int row = 0; row < Rows; ++row) {
        for (int i = 0; i < N; ++i) sums[row][i] = Vec<T>{};
      }
      return;
    }
    for (int i = 0; i < N; ++i, ++vector) {
      const bool inside = vector >= fused.inside_begin && vector < fused.inside_end;
      Vec<T> one[Rows][1];
      if (inside) sum_rows<Rows, 1, In>(from + fused.begin + vector * L, sum, one);
      for (int row = 0; row < Rows; ++row) sums[row][i] = inside ? one[row][0] : edge(row, vector);
    }
  }

  // Asks for n vectors of an input row that comes later, maybe beyond the image.
  SPECOPS_MEMBER void fetch(int64_t vector, int64_t n) const {
    constexpr int64_t kRowsAhead = 8;
    const Sum<T>& rows = sum.rows[Rows - 1];
    const auto row = reinterpret_cast<uintptr_t>(from + rows.offsets[rows.n_terms - 1]);
    const int64_t ahead = kRowsAhead * fused.row_size + vector * L;
    for (int64_t i = 0; i < n; ++i) {
      __builtin_prefetch(reinterpret_cast<const void*>(row + (ahead + i * L) * sizeof *from));
    }
  }

  const resample::Fused<T>& fused;
  const typename In::Stored* from;
  const SumsOfRows<Rows, T>& sum;
  Vec<T> first[Rows][1] = {}, last[Rows][1] = {};
};

// Vectors of the lines, each part of one in a row of its own: those before the Blocks that are filtered, these, those
// after, which are as many as are read at once.
template <class T, int Rows, int Stride, int Blocks>
struct Window {
  static constexpr int64_t L = kLanes<T>;
  static constexpr int kBefore = (resample::kPlacesBefore + L - 1) / L;
  static constexpr int kReach = (resample::kPlaces - 1 - resample::kPlacesBefore + L - 1) / L;
  static constexpr int kAfter = (kReach + Blocks - 1) / Blocks * Blocks;
  static constexpr int kKept = kBefore + kAfter;

  Vec<T> parts[Rows][Stride][kKept + Blocks];

  // N vectors of each part from the lines, to place `at`.
  template <int N, class In>
  SPECOPS_MEMBER void read(const LinesOfSums<Rows, In, T>& lines, int64_t vector, int at) {
    Vec<T> v[Rows][Stride * N];
    lines.template read<Stride * N>(vector, v);
    for (int row = 0; row < Rows; ++row) {
      for (int i = 0; i < N; ++i) {
        if constexpr (Stride == 1) {
          parts[row][0][at + i] = v[row][i];
        } else {
          parts[row][0][at + i] = gathered<Dealt, 2, 0, T>(v[row] + 2 * i);
          parts[row][1][at + i] = gathered<Dealt, 2, 1, T>(v[row] + 2 * i);
        }
      }
    }
  }

  SPECOPS_MEMBER void advance() {
    for (int row = 0; row < Rows; ++row) {
      for (int part = 0; part < Stride; ++part) {
        for (int i = 0; i < kKept; ++i) parts[row][part][i] = parts[row][part][i + Blocks];
      }
    }
  }

  // Lane i of block u: sample stride·(L u + i - kPlacesBefore) + place.
  template <int Place>
  SPECOPS_MEMBER Vec<T> samples(int row, int u) const {
    constexpr int shift = kBefore * L - resample::kPlacesBefore + Place / Stride;
    return shifted<shift, T>(parts[row][Place % Stride] + u);
  }
};

// Adds the samples at one place, times its taps.
template <int Phases, int Place, class T, int Rows, int Stride, int Blocks>
SPECOPS_INLINE void add_place(const resample::Fused<T>& fused, const Window<T, Rows, Stride, Blocks>& window,
                              Vec<T> (*sums)[Phases][Blocks]) {
  constexpr uint32_t bit = uint32_t{1} << Place;
  bool any = false;
  for (int r = 0; r < Phases; ++r) any |= (fused.places[r] & bit) != 0;
  if (!any) return;
  Vec<T> samples[Rows][Blocks];
  for (int row = 0; row < Rows; ++row) {
    for (int u = 0; u < Blocks; ++u) samples[row][u] = window.template samples<Place>(row, u);
  }
  for (int r = 0; r < Phases; ++r) {
    if ((fused.places[r] & bit) == 0) continue;
    const Vec<T> weight = broadcast(fused.weights[r * Stride * resample::kPlaces + Place]);
    for (int row = 0; row < Rows; ++row) {
      for (int u = 0; u < Blocks; ++u) sums[row][r][u] += weight * samples[row][u];
    }
  }
}

template <int Phases, int First, class T, int Rows, int Stride, int Blocks, int... Place>
SPECOPS_INLINE void add_places(const resample::Fused<T>& fused, const Window<T, Rows, Stride, Blocks>& window,
                               Vec<T> (*sums)[Phases][Blocks], Sequence<Place...>) {
  constexpr uint32_t bits = ((uint32_t{1} << sizeof...(Place)) - 1) << First;
  bool any = false;
  for (int r = 0; r < Phases; ++r) any |= (fused.places[r] & bits) != 0;
  if (any) (add_place<Phases, First + Place>(fused, window, sums), ...);
}

template <class Out, class T>
SPECOPS_INLINE void write_output(typename Out::Stored* to, int64_t count, Vec<T> values, bool past_caches) {
  if constexpr (sizeof *to == sizeof(T)) {
    if (past_caches) return store_past_caches(to, values);
  }
  write_pixels<Out, T>(to, count, values);
}

// Filters the blocks in the window; `count` pixels of each row are kept.
template <int Phases, class Out, class T, int Rows, int Stride, int Blocks>
SPECOPS_INLINE void write_blocks(const resample::Operator<T>& op, const Window<T, Rows, Stride, Blocks>& window,
                                 int64_t count, typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sums[Rows][Phases][Blocks] = {};
  constexpr int kOuter = 3 * Stride, kMiddle = 7 * Stride, kRest = resample::kPlaces * Stride - kOuter - kMiddle;
  add_places<Phases, 0>(op.fused, window, sums, typename MakeSequence<kOuter>::type{});
  add_places<Phases, kOuter>(op.fused, window, sums, typename MakeSequence<kMiddle>::type{});
  add_places<Phases, kOuter + kMiddle>(op.fused, window, sums, typename MakeSequence<kRest>::type{});
  for (int row = 0; row < Rows; ++row, to += op.columns.n_out) {
    for (int u = 0; u < Blocks; ++u) {
      if constexpr (Phases == 1) {
        write_output<Out, T>(to + u * L, Blocks == 1 ? count : L, sums[row][0][u], op.past_caches);
      } else {
        const Vec<T> both[2] = {sums[row][0][u], sums[row][1][u]};
        write_output<Out, T>(to + 2 * u * L, Blocks == 1 && count < L ? count : L, gathered<InTurn, 2, 0, T>(both),
                             op.past_caches);
        if (Blocks == 1 && count <= L) continue;
        write_output<Out, T>(to + (2 * u + 1) * L, Blocks == 1 ? count - L : L, gathered<InTurn, 2, 1, T>(both),
                             op.past_caches);
      }
    }
  }
}

// As many blocks at a time as fit, from the first one that is left, where `vector` of the lines begins.
template <int Phases, int Stride, int Blocks, class Out, int Rows, class In, class T>
SPECOPS_INLINE void write_whole_blocks(const resample::Operator<T>& op, const LinesOfSums<Rows, In, T>& lines,
                                       int64_t& vector, int64_t& left, typename Out::Stored*& to) {
  using Held = Window<T, Rows, Stride, Blocks>;
  constexpr int64_t whole = Blocks * Phases * kLanes<T>, least = Blocks > 1 ? whole : 1;
  if (left < least) return;
  Held window;
  window.template read<Held::kBefore>(lines, vector - Stride * Held::kBefore, 0);
  for (int ahead = 0; ahead < Held::kAfter; ahead += Blocks) {
    window.template read<Blocks>(lines, vector + Stride * ahead, Held::kBefore + ahead);
  }
  for (; left >= least; left -= whole, to += whole, vector += Stride * Blocks) {
    window.template read<Blocks>(lines, vector + Stride * Held::kAfter, Held::kKept);
    lines.fetch(vector, Stride * Blocks);
    write_blocks<Phases, Out>(op, window, left < whole ? left : whole, to);
    window.advance();
  }
}

template <int Phases, int Stride, class In, class Out, int Rows, class T>
SPECOPS_INLINE void fused_rows(const resample::Operator<T>& op, const typename In::Stored* from,
                               const SumsOfRows<Rows, T>& sum, typename Out::Stored* to) {
  constexpr int kWhole = (SPECOPS_VECTOR_BYTES == 64 ? 4 : 2) / Stride / Rows, Blocks = kWhole > 0 ? kWhole : 1;
  const LinesOfSums<Rows, In, T> lines(op.fused, from, sum);
  int64_t vector = 0, left = op.columns.n_out;
  write_whole_blocks<Phases, Stride, Blocks, Out>(op, lines, vector, left, to);
  if constexpr (Blocks == 4) write_whole_blocks<Phases, Stride, 2, Out>(op, lines, vector, left, to);
  if constexpr (Blocks > 1) write_whole_blocks<Phases, Stride, 1, Out>(op, lines, vector, left, to);
}

// Adds to an output row what lies beyond the image.
template <class T>
static void add_fused_folds(const resample::Operator<T>& op, const T* from, const Sum<T>& rows, T* to) {
  constexpr int64_t L = kLanes<T>;
  const resample::Columns& columns = op.columns;
  Vec<T> ends[2];
  sum_vectors<1, RealPixels<T>>(from, rows, ends);
  sum_vectors<1, RealPixels<T>>(from + op.fused.row_size - L, rows, ends + 1);
  T samples[2 * L];
  store(samples, ends[0]);
  store(samples + L, ends[1]);
  const T* weights = op.weights + columns.n_taps - columns.n_folds;
  for (int64_t fold = 0; fold < columns.n_folds; ++fold) {
    to[columns.folds[fold]] += weights[fold] * samples[op.fused.fold_samples[fold]];
  }
}

template <class Out, class T>
constexpr bool fuses(const resample::Operator<T>& op) {
  return op.fused.serves && (sizeof(typename Out::Stored) == sizeof(T) || op.columns.n_folds == 0);
}

template <class Out, class T>
static void write_zeros(const resample::Operator<T>& op, typename Out::Stored* to) {
  if (!op.past_caches) {
    __builtin_memset(to, 0, op.columns.n_out * sizeof *to);
    return;
  }
  for (int64_t i = 0; i < op.columns.n_out; i += kLanes<T>) write_output<Out, T>(to + i, kLanes<T>, Vec<T>{}, true);
}

template <int Phases, int Stride, class In, class Out, class T>
static void make_fused_rows(const resample::Operator<T>& op, const typename In::Stored* from, int64_t begin,
                            int64_t end, typename Out::Stored* out) {
  const auto sum_of = [&](int64_t row) {
    const int64_t n_terms = op.rows.count(row), first = op.rows.ends[row] - n_terms;
    return Sum<T>{op.row_offsets + first, op.row_weights + first, n_terms};
  };
  const auto fold = [&](int64_t row) {
    if constexpr (sizeof *out == sizeof(T)) {
      if (op.columns.n_folds > 0) add_fused_folds(op, from, sum_of(row), out + row * op.columns.n_out);
    }
  };
  for (int64_t row = begin; row < end; ++row) {
    typename Out::Stored* to = out + row * op.columns.n_out;
    if constexpr (Stride == 1) {  // with strides, pairs were slower
      const resample::Shared& shared = op.rows.shared[row];
      if (shared.count > 0 && row + 1 < end) {
        const SumsOfRows<2, T> both = {{sum_of(row), sum_of(row + 1)}, shared.lag, shared.count};
        fused_rows<Phases, Stride, In, Out>(op, from, both, to);
        fold(row++);
        fold(row);
        continue;
      }
    }
    if (op.rows.count(row) == 0) {
      write_zeros<Out>(op, to);
      continue;
    }
    fused_rows<Phases, Stride, In, Out>(op, from, SumsOfRows<1, T>{{sum_of(row)}, 0, 0}, to);
    fold(row);
  }
  if (op.past_caches) end_stores_past_caches();
}

}  // namespace specops::SPECOPS_ISA
