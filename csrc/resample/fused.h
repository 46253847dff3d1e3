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
    const int64_t index = vector - fused.first - inside;
    if (vector < fused.first || vector >= fused.end) return Vec<T>{};
    using Lanes = typename VectorOf<T>::lanes;
    const Lanes of_first = reinterpret_cast<Lanes>(picked<T>(first, fused.edges + index * 2 * L));
    const Lanes of_last = reinterpret_cast<Lanes>(picked<T>(last, fused.edges + (index * 2 + 1) * L));
    return reinterpret_cast<Vec<T>>(of_first | of_last);
  }

  // N vectors of the line, from this one.
  template <int N>
  SPECOPS_MEMBER void read(int64_t vector, Vec<T>* sums) const {
    const auto* samples = from + fused.begin + vector * L;
    if (vector >= fused.end || vector + N <= fused.first) {
      for (int i = 0; i < N; ++i) sums[i] = Vec<T>{};
      return;
    }
    if (vector >= fused.inside_begin && vector + N <= fused.inside_end) return sum_vectors<N, In>(samples, rows, sums);
    for (int i = 0; i < N; ++i, ++vector, samples += L) {
      if (vector >= fused.inside_begin && vector < fused.inside_end) {
        sum_vectors<1, In>(samples, rows, sums + i);
      } else {
        sums[i] = edge(vector);
      }
    }
  }

  // Asks for n vectors of an input row that comes later, maybe beyond the image.
  SPECOPS_MEMBER void fetch(int64_t vector, int64_t n) const {
    constexpr int64_t kRowsAhead = 8;
    const auto* row = from + rows.offsets[rows.n_terms - 1] + kRowsAhead * fused.row_size;
    for (int64_t i = 0; i < n; ++i) __builtin_prefetch(row + (vector + i) * L);
  }

  const resample::Fused<T>& fused;
  const typename In::Stored* from;
  const Sum<T>& rows;
  Vec<T> first = {}, last = {};
};

// Vectors of a line, each part of it in a row of its own: those before the Blocks that are filtered, these, those
// after, which are as many as are read at once.
template <class T, int Stride, int Blocks>
struct Window {
  static constexpr int64_t L = kLanes<T>;
  static constexpr int kBefore = (resample::kPlacesBefore + L - 1) / L;
  static constexpr int kReach = (resample::kPlaces - 1 - resample::kPlacesBefore + L - 1) / L;
  static constexpr int kAfter = (kReach + Blocks - 1) / Blocks * Blocks;

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

template <int Phases, int Stride, int Blocks, int First, class T, int... Place>
SPECOPS_INLINE void add_places(const resample::Fused<T>& fused, const Window<T, Stride, Blocks>& window,
                               Vec<T> (*sums)[Blocks], Sequence<Place...>) {
  constexpr uint32_t bits = ((uint32_t{1} << sizeof...(Place)) - 1) << First;
  bool any = false;
  for (int r = 0; r < Phases; ++r) any |= (fused.places[r] & bits) != 0;
  if (any) (add_place<Phases, Stride, Blocks, First + Place, T>(fused, window, sums), ...);
}

template <class Out, class T>
SPECOPS_INLINE void write_output(typename Out::Stored* to, int64_t count, Vec<T> values, bool past_caches) {
  if constexpr (sizeof *to == sizeof(T)) {
    if (past_caches) return store_past_caches(to, values);
  }
  write_pixels<Out, T>(to, count, values);
}

// Filters the blocks in the window; `count` pixels of them are kept.
template <int Phases, int Stride, int Blocks, class Out, class T>
SPECOPS_INLINE void write_blocks(const resample::Operator<T>& op, const Window<T, Stride, Blocks>& window,
                                 int64_t count, typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sums[Phases][Blocks] = {};
  constexpr int kOuter = 3 * Stride, kMiddle = 7 * Stride, kRest = resample::kPlaces * Stride - kOuter - kMiddle;
  add_places<Phases, Stride, Blocks, 0>(op.fused, window, sums, typename MakeSequence<kOuter>::type{});
  add_places<Phases, Stride, Blocks, kOuter>(op.fused, window, sums, typename MakeSequence<kMiddle>::type{});
  add_places<Phases, Stride, Blocks, kOuter + kMiddle>(op.fused, window, sums, typename MakeSequence<kRest>::type{});
  for (int u = 0; u < Blocks; ++u) {
    if constexpr (Phases == 1) {
      write_output<Out, T>(to + u * L, Blocks == 1 ? count : L, sums[0][u], op.past_caches);
    } else {
      const Vec<T> both[2] = {sums[0][u], sums[1][u]};
      write_output<Out, T>(to + 2 * u * L, Blocks == 1 && count < L ? count : L, gathered<InTurn, 2, 0, T>(both),
                           op.past_caches);
      if (Blocks == 1 && count <= L) return;
      write_output<Out, T>(to + (2 * u + 1) * L, Blocks == 1 ? count - L : L, gathered<InTurn, 2, 1, T>(both),
                           op.past_caches);
    }
  }
}

// As many blocks at a time as fit, from the first one that is left, where `vector` of the line begins.
template <int Phases, int Stride, int Blocks, class In, class Out, class T>
SPECOPS_INLINE void write_whole_blocks(const resample::Operator<T>& op, const LineOfSums<In, T>& line, int64_t& vector,
                                       int64_t& left, typename Out::Stored*& to) {
  using Held = Window<T, Stride, Blocks>;
  constexpr int64_t whole = Blocks * Phases * kLanes<T>, least = Blocks > 1 ? whole : 1;
  constexpr int kKept = Held::kBefore + Held::kAfter;
  if (left < least) return;
  Held window;
  window.template read<Held::kBefore>(line, vector - Stride * Held::kBefore, 0);
  for (int ahead = 0; ahead < Held::kAfter; ahead += Blocks) {
    window.template read<Blocks>(line, vector + Stride * ahead, Held::kBefore + ahead);
  }
  for (; left >= least; left -= whole, to += whole, vector += Stride * Blocks) {
    window.template read<Blocks>(line, vector + Stride * Held::kAfter, kKept);
    line.fetch(vector, Stride * Blocks);
    write_blocks<Phases, Stride, Blocks, Out>(op, window, left < whole ? left : whole, to);
    for (int part = 0; part < Stride; ++part) {
      for (int i = 0; i < kKept; ++i) window.parts[part][i] = window.parts[part][i + Blocks];
    }
  }
}

template <int Phases, int Stride, class In, class Out, class T>
SPECOPS_INLINE void fused_row(const resample::Operator<T>& op, const typename In::Stored* from, const Sum<T>& rows,
                              typename Out::Stored* to) {
  constexpr int Blocks = (SPECOPS_VECTOR_BYTES == 64 ? 4 : 2) / Stride;
  const LineOfSums<In, T> line(op.fused, from, rows);
  int64_t vector = 0, left = op.columns.n_out;
  write_whole_blocks<Phases, Stride, Blocks, In, Out>(op, line, vector, left, to);
  if constexpr (Blocks == 4) write_whole_blocks<Phases, Stride, 2, In, Out>(op, line, vector, left, to);
  write_whole_blocks<Phases, Stride, 1, In, Out>(op, line, vector, left, to);
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
  for (int64_t row = begin; row < end; ++row) {
    typename Out::Stored* to = out + row * op.columns.n_out;
    const int64_t n_terms = op.rows.count(row), first = op.rows.ends[row] - n_terms;
    if (n_terms == 0) {
      write_zeros<Out>(op, to);
      continue;
    }
    const Sum<T> rows = {op.row_offsets + first, op.row_weights + first, n_terms};
    fused_row<Phases, Stride, In, Out>(op, from, rows, to);
    if constexpr (sizeof *to == sizeof(T)) {
      if (op.columns.n_folds > 0) add_fused_folds(op, from, rows, to);
    }
  }
  if (op.past_caches) end_stores_past_caches();
}
