// Output rows of an outer product of few taps, whose sums along y stay in registers while they are filtered along x: a
// line in memory would be read elsewhere than it was written, which waits until it has left for the cache, behind all
// output before it. Compiled once per instruction set, inside its namespace, after vectors.h.

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

// The line of one output row.
template <class In, class T>
struct LineOfSums {
  static constexpr int64_t L = kLanes<T>;

  SPECOPS_MEMBER LineOfSums(const resample::Fused<T>& fused_, const typename In::Stored* row, const Sum<T>& rows_)
      : fused(fused_), from(row), rows(rows_) {
    if (fused.uses_first) sum_vectors<1, In>(from, rows, &first);
    if (fused.uses_last) sum_vectors<1, In>(from + fused.row_size - L, rows, &last);
  }

  SPECOPS_MEMBER Vec<T> edge(int64_t vector) const {
    const bool left = vector < fused.inside_begin;
    const int64_t inside = left ? 0 : fused.inside_end - fused.inside_begin;
    const int64_t index = vector - fused.edges_begin - inside;
    if (index >= fused.n_edges) return Vec<T>{};
    using Lanes = typename VectorOf<T>::lanes;
    const Lanes of_first = reinterpret_cast<Lanes>(picked<T>(first, fused.edges + index * 2 * L));
    const Lanes of_last = reinterpret_cast<Lanes>(picked<T>(last, fused.edges + (index * 2 + 1) * L));
    return reinterpret_cast<Vec<T>>(of_first | of_last);
  }

  // N vectors of the line, from this one.
  template <int N>
  SPECOPS_MEMBER void read(int64_t vector, Vec<T>* sums) const {
    const auto* samples = from + fused.begin + vector * L;
    if (vector >= fused.inside_begin && vector + N <= fused.inside_end) return sum_vectors<N, In>(samples, rows, sums);
    for (int i = 0; i < N; ++i, ++vector, samples += L) {
      if (vector >= fused.inside_begin && vector < fused.inside_end) {
        sum_vectors<1, In>(samples, rows, sums + i);
      } else {
        sums[i] = edge(vector);
      }
    }
  }

  const resample::Fused<T>& fused;
  const typename In::Stored* from;
  const Sum<T>& rows;
  Vec<T> first = {}, last = {};
};

// Vectors of a line, each part of it in a row of its own: those before the Blocks that are filtered, these, those
// after.
template <class T, int Stride, int Blocks>
struct Window {
  static constexpr int64_t L = kLanes<T>;
  static constexpr int kBefore = (resample::kPlacesBefore + L - 1) / L;
  static constexpr int kAfter = (resample::kPlaces - 1 - resample::kPlacesBefore + L - 1) / L;

  Vec<T> parts[Stride][kBefore + Blocks + kAfter];

  // N vectors of each part from the line, to place `at`.
  template <int N, class In>
  SPECOPS_MEMBER void read(const LineOfSums<In, T>& line, int64_t vector, int at) {
    Vec<T> v[Stride * N];
    line.template read<Stride * N>(vector, v);
    for (int i = 0; i < N; ++i) {
      if constexpr (Stride == 1) {
        parts[0][at + i] = v[i];
      } else {
        parts[0][at + i] = gathered<Dealt, 2, 0, T>(v + 2 * i);
        parts[1][at + i] = gathered<Dealt, 2, 1, T>(v + 2 * i);
      }
    }
  }

  // Lane i of block u: sample stride·(L u + i - kPlacesBefore) + place.
  template <int Place>
  SPECOPS_MEMBER Vec<T> samples(int u) const {
    constexpr int shift = kBefore * L - resample::kPlacesBefore + Place / Stride;
    return shifted<shift, T>(parts[Place % Stride] + u);
  }
};

// Adds the samples at one place, times its taps.
template <int Phases, int Stride, int Blocks, int Place, class T>
SPECOPS_INLINE void add_place(const resample::Fused<T>& fused, const Window<T, Stride, Blocks>& window,
                              Vec<T> (*sums)[Blocks]) {
  constexpr uint32_t bit = uint32_t{1} << Place;
  bool any = false;
  for (int r = 0; r < Phases; ++r) any |= (fused.places[r] & bit) != 0;
  if (!any) return;
  Vec<T> samples[Blocks];
  for (int u = 0; u < Blocks; ++u) samples[u] = window.template samples<Place>(u);
  for (int r = 0; r < Phases; ++r) {
    if ((fused.places[r] & bit) == 0) continue;
    const Vec<T> weight = broadcast(fused.weights[r * Stride * resample::kPlaces + Place]);
    for (int u = 0; u < Blocks; ++u) sums[r][u] += weight * samples[u];
  }
}

template <int Phases, int Stride, int Blocks, class T, int... Place>
SPECOPS_INLINE void add_places(const resample::Fused<T>& fused, const Window<T, Stride, Blocks>& window,
                               Vec<T> (*sums)[Blocks], Sequence<Place...>) {
  (add_place<Phases, Stride, Blocks, Place, T>(fused, window, sums), ...);
}

// Filters the blocks in the window; `count` pixels of them are kept.
template <int Phases, int Stride, int Blocks, class Out, class T>
SPECOPS_INLINE void write_blocks(const resample::Fused<T>& fused, const Window<T, Stride, Blocks>& window,
                                 int64_t count, typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sums[Phases][Blocks] = {};
  add_places<Phases, Stride, Blocks, T>(fused, window, sums, typename MakeSequence<Stride * resample::kPlaces>::type{});
  for (int u = 0; u < Blocks; ++u) {
    if constexpr (Phases == 1) {
      write_pixels<Out, T>(to + u * L, Blocks == 1 ? count : L, sums[0][u]);
    } else {
      const Vec<T> both[2] = {sums[0][u], sums[1][u]};
      write_pixels<Out, T>(to + 2 * u * L, Blocks == 1 && count < L ? count : L, gathered<InTurn, 2, 0, T>(both));
      if (Blocks == 1 && count <= L) return;
      write_pixels<Out, T>(to + (2 * u + 1) * L, Blocks == 1 ? count - L : L, gathered<InTurn, 2, 1, T>(both));
    }
  }
}

template <int Phases, int Stride, class In, class Out, class T>
static void fused_row(const resample::Operator<T>& op, const typename In::Stored* from, const Sum<T>& rows,
                      typename Out::Stored* to) {
  constexpr int Blocks = SPECOPS_VECTOR_BYTES == 64 ? 4 / Stride : 2 / Stride;
  constexpr int64_t L = kLanes<T>, whole = Phases * L;
  using Many = Window<T, Stride, Blocks>;
  constexpr int kKept = Many::kBefore + Many::kAfter;
  const resample::Fused<T>& fused = op.fused;
  const LineOfSums<In, T> line(fused, from, rows);
  Many many;
  many.template read<kKept>(line, -Stride * Many::kBefore, 0);
  int64_t vector = Stride * Many::kAfter, left = op.columns.n_out;
  for (; left >= Blocks * whole; left -= Blocks * whole, to += Blocks * whole, vector += Stride * Blocks) {
    many.template read<Blocks>(line, vector, kKept);
    write_blocks<Phases, Stride, Blocks, Out>(fused, many, Blocks * whole, to);
    for (int part = 0; part < Stride; ++part) {
      for (int i = 0; i < kKept; ++i) many.parts[part][i] = many.parts[part][i + Blocks];
    }
  }
  Window<T, Stride, 1> one;
  for (int part = 0; part < Stride; ++part) {
    for (int i = 0; i < kKept; ++i) one.parts[part][i] = many.parts[part][i];
  }
  for (; left > 0; left -= whole, to += whole, vector += Stride) {
    one.template read<1>(line, vector, kKept);
    write_blocks<Phases, Stride, 1, Out>(fused, one, left < whole ? left : whole, to);
    for (int part = 0; part < Stride; ++part) {
      for (int i = 0; i < kKept; ++i) one.parts[part][i] = one.parts[part][i + 1];
    }
  }
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

template <int Phases, int Stride, class In, class Out, class T>
static void make_fused_rows(const resample::Operator<T>& op, const typename In::Stored* from, int64_t begin,
                            int64_t end, typename Out::Stored* out) {
  for (int64_t row = begin; row < end; ++row) {
    typename Out::Stored* to = out + row * op.columns.n_out;
    const int64_t n_terms = op.rows.count(row), first = op.rows.ends[row] - n_terms;
    if (n_terms == 0) {
      __builtin_memset(to, 0, op.columns.n_out * sizeof *to);
      continue;
    }
    const Sum<T> rows = {op.row_offsets + first, op.row_weights + first, n_terms};
    fused_row<Phases, Stride, In, Out>(op, from, rows, to);
    if constexpr (sizeof *to == sizeof(T)) {
      if (op.columns.n_folds > 0) add_fused_folds(op, from, rows, to);
    }
  }
}
