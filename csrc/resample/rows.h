// Rows of a resampled image. Compiled once per instruction set, inside its namespace, after pixels.h.

template <class T>
SPECOPS_INLINE Vec<T> broadcast(T value) {
  return Vec<T>{} + value;
}

// Which samples are multiplied by what, added in this order: weight · from[offset].
template <class T>
struct Sum {
  const int64_t* offsets;
  const T* weights;
  int64_t n_terms;
};

// U vectors.
template <int U, class In, class T>
SPECOPS_INLINE void sum_vectors(const typename In::Stored* from, const Sum<T>& sum, Vec<T>* sums) {
  constexpr int64_t L = kLanes<T>;
  const Vec<T> first = broadcast(sum.weights[0]);
  for (int u = 0; u < U; ++u) sums[u] = first * read_pixels<In, T>(from + sum.offsets[0] + u * L, 1, L);
  for (int64_t term = 1; term < sum.n_terms; ++term) {
    const Vec<T> weight = broadcast(sum.weights[term]);
    for (int u = 0; u < U; ++u) sums[u] += weight * read_pixels<In, T>(from + sum.offsets[term] + u * L, 1, L);
  }
}

template <int U, class In, class Out, class T>
SPECOPS_INLINE void weighted_vectors(const typename In::Stored* from, const Sum<T>& sum, typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sums[U];
  sum_vectors<U, In>(from, sum, sums);
  for (int u = 0; u < U; ++u) write_pixels<Out, T>(to + u * L, L, sums[u]);
}

// Less than a vector.
template <class In, class Out, class T>
static void weighted_rest(const typename In::Stored* from, const Sum<T>& sum, int64_t count, typename Out::Stored* to) {
  Vec<T> total = broadcast(sum.weights[0]) * read_pixels<In, T>(from + sum.offsets[0], 1, count);
  for (int64_t term = 1; term < sum.n_terms; ++term) {
    total += broadcast(sum.weights[term]) * read_pixels<In, T>(from + sum.offsets[term], 1, count);
  }
  write_pixels<Out, T>(to, count, total);
}

// to[i] = sum over the terms of weight · from[offset + i], i < count, n_terms >= 1. `to` must not overlap `from`.
template <class In, class Out, class T>
static void weighted_sum(const typename In::Stored* from, const Sum<T>& sum, int64_t count, typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  if (count < L) return weighted_rest<In, Out>(from, sum, count, to);
  int64_t i = 0;
  for (; i + 4 * L <= count; i += 4 * L) weighted_vectors<4, In, Out>(from + i, sum, to + i);
  for (; i + 2 * L <= count; i += 2 * L) weighted_vectors<2, In, Out>(from + i, sum, to + i);
  for (; i < count; i += L) {
    if (i + L > count) i = count - L;
    weighted_vectors<1, In, Out>(from + i, sum, to + i);
  }
}

// The same between buffers that may be read and written up to a vector beyond their ends.
template <class T>
static void weighted_sum_padded(const T* from, const Sum<T>& sum, int64_t count, T* to) {
  using Real = RealPixels<T>;
  constexpr int64_t L = kLanes<T>;
  int64_t i = 0;
  for (; i + 4 * L <= count; i += 4 * L) weighted_vectors<4, Real, Real>(from + i, sum, to + i);
  if (i + 2 * L <= count) weighted_vectors<2, Real, Real>(from + i, sum, to + i), i += 2 * L;
  for (; i < count; i += L) weighted_vectors<1, Real, Real>(from + i, sum, to + i);
}

// Lane i of the result is element 2 i + Odd of the two vectors.
template <int Odd>
struct Dealt {
  static constexpr int lane(int i) { return 2 * i + Odd; }
};

// Elements of the first and the second vector in turn, from their middle on if High.
template <int L, bool High>
struct InTurn {
  static constexpr int lane(int i) { return (High ? L / 2 : 0) + i / 2 + (i % 2 == 1 ? L : 0); }
};

// line [count] -> parts [stride, pitch], element stride·i + r to part r.
template <class T>
static void deal(const T* line, int64_t count, int64_t stride, int64_t pitch, T* parts) {
  constexpr int64_t L = kLanes<T>;
  if (stride == 2) {
    for (int64_t i = 0; 2 * i < count; i += L) {
      const Vec<T> a = load(line + 2 * i), b = load(line + 2 * i + L);
      store(parts + i, shuffled<Dealt<0>, T>(a, b));
      store(parts + pitch + i, shuffled<Dealt<1>, T>(a, b));
    }
    return;
  }
  for (int64_t r = 0; r < stride; ++r) {
    for (int64_t i = 0; stride * i + r < count; ++i) parts[pitch * r + i] = line[stride * i + r];
  }
}

// U vectors of each of two phases, in turn, of which `count` pixels are kept. A phase without terms is zero.
template <int U, class Out, class T>
SPECOPS_INLINE void weighted_pair_vectors(const T* from, const Sum<T>& first, const Sum<T>& second, int64_t count,
                                          typename Out::Stored* to) {
  using Real = RealPixels<T>;
  constexpr int64_t L = kLanes<T>;
  Vec<T> a[U] = {}, b[U] = {};
  if (first.n_terms > 0) sum_vectors<U, Real>(from, first, a);
  if (second.n_terms > 0) sum_vectors<U, Real>(from, second, b);
  for (int64_t u = 0; u < U; ++u) {
    const int64_t left = count - 2 * u * L;
    write_pixels<Out, T>(to + 2 * u * L, left < L ? left : L, shuffled<InTurn<L, false>, T>(a[u], b[u]));
    if (left <= L) return;
    write_pixels<Out, T>(to + (2 * u + 1) * L, left < 2 * L ? left - L : L, shuffled<InTurn<L, true>, T>(a[u], b[u]));
    if (left <= 2 * L) return;
  }
}

// to[2 i] = the first sum at from + i, to[2 i + 1] = the second one.
template <class Out, class T>
static void weighted_pair(const T* from, const Sum<T>& first, const Sum<T>& second, int64_t count,
                          typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  int64_t i = 0;
  for (; 2 * i + 4 * L <= count; i += 2 * L) {
    weighted_pair_vectors<2, Out>(from + i, first, second, 4 * L, to + 2 * i);
  }
  for (; 2 * i < count; i += L) weighted_pair_vectors<1, Out>(from + i, first, second, count - 2 * i, to + 2 * i);
}

template <class Out, class T>
static void write_row(const T* line, int64_t count, typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; i < count; i += L) {
    write_pixels<Out, T>(to + i, count - i < L ? count - i : L, load(line + i));
  }
}

// The memory of one thread. What no operation writes stays zero: samples beyond a row.
template <class T>
struct RowBuffers {
  SPECOPS_MEMBER RowBuffers(const resample::Operator<T>& op, char* scratch) {
    const resample::Buffers& sizes = op.buffers;
    slots = reinterpret_cast<T*>(scratch);
    line = slots + sizes.slots * sizes.slot;
    phase = line + sizes.line;
    out = phase + sizes.phase;
    lanes = out + sizes.out;
    held = reinterpret_cast<int64_t*>(scratch + sizes.pixel_bytes);
    used = held + sizes.slots;
    slot_of = used + sizes.slots;
    ends = slot_of + sizes.slots;
    offsets = ends + op.columns.phases;
    weights = reinterpret_cast<T*>(offsets + sizes.slots * op.columns.n_taps);
    for (T* at = slots; at < lanes + sizes.lanes; ++at) *at = T(0);
    for (int64_t slot = 0; slot < sizes.slots; ++slot) held[slot] = used[slot] = -1;
  }

  T* slots;          // [slots, slot]
  T* line;           // a row before it is dealt out
  T* phase;          // of an output row
  T* out;            // an output row
  T* lanes;          // [fh, n_taps, L]
  int64_t* held;     // [slots], which row a slot holds
  int64_t* used;     // [slots], by which output row
  int64_t* slot_of;  // [slots], of each term of an output row
  // The sums of an output row, phase by phase, over all slots.
  int64_t* ends;     // [phases]
  int64_t* offsets;  // [slots · n_taps]
  T* weights;
};

// Writes to the slot the sum of rows, extended by the boundary and dealt out.
template <class In, class T>
static void fill_slot(const resample::Operator<T>& op, const RowBuffers<T>& buffers, const typename In::Stored* plane,
                      const Sum<T>& rows, T* slot) {
  const resample::Columns& columns = op.columns;
  const int64_t inner = op.inner, count = (columns.read_end - columns.read_begin) * inner;
  T* line = op.buffers.dealt_pitch > 0 ? buffers.line : slot;
  weighted_sum<In, RealPixels<T>>(plane, rows, count, line + columns.read_to * inner);
  for (const resample::Move* copy = columns.copies; copy < columns.copies + columns.n_copies; ++copy) {
    for (int64_t c = 0; c < inner; ++c) line[copy->to * inner + c] = line[copy->from * inner + c];
  }
  if (line != slot) deal(line, columns.n_line, columns.stride, op.buffers.dealt_pitch, slot);
}

// Sees to it that slots hold the rows of all terms in [begin, end), of which no more differ than there are slots.
template <class In, class T>
static void fill_slots(const resample::Operator<T>& op, const RowBuffers<T>& buffers, const typename In::Stored* plane,
                       int64_t out_row, int64_t begin, int64_t end) {
  const int64_t n_slots = op.buffers.slots;
  for (int64_t term = begin; term < end; ++term) {
    for (int64_t slot = 0; slot < n_slots; ++slot) {
      if (buffers.held[slot] == op.rows.terms[term].source) buffers.used[slot] = out_row;
    }
  }
  const T one = T(1);
  for (int64_t term = begin; term < end; ++term) {
    const int64_t source = op.rows.terms[term].source;
    int64_t slot = 0;
    while (slot < n_slots && buffers.held[slot] != source) ++slot;
    if (slot == n_slots) {
      for (slot = 0; buffers.used[slot] == out_row;) ++slot;
      const Sum<T> row = {op.row_offsets + term, &one, 1};
      fill_slot<In>(op, buffers, plane, row, buffers.slots + slot * op.buffers.slot);
      buffers.held[slot] = source;
      buffers.used[slot] = out_row;
    }
    buffers.slot_of[term - begin] = slot;
  }
}

// The sums of an output row from buffers.slots, phase by phase.
template <class T>
struct RowSums {
  const int64_t* ends;  // [phases]
  const int64_t* offsets;
  const T* weights;

  SPECOPS_MEMBER Sum<T> phase(int64_t r) const {
    const int64_t first = r == 0 ? 0 : ends[r - 1];
    return {offsets + first, weights + first, ends[r] - first};
  }
};

// Lists the products of all taps of the filter with the rows in the slots.
template <class T>
static RowSums<T> list_sums(const resample::Operator<T>& op, const RowBuffers<T>& buffers, int64_t begin, int64_t end) {
  const resample::Columns& columns = op.columns;
  int64_t n = 0;
  for (int64_t r = 0; r < columns.phases; ++r) {
    const int64_t first = r == 0 ? 0 : columns.ends[r - 1];
    for (int64_t term = begin; term < end; ++term) {
      const int64_t slot = buffers.slot_of[term - begin] * op.buffers.slot;
      const T* weights = op.weights + op.rows.terms[term].tap * columns.n_taps;
      for (int64_t k = first; k < columns.ends[r]; ++k, ++n) {
        buffers.offsets[n] = slot + op.offsets[k];
        buffers.weights[n] = weights[k];
      }
    }
    buffers.ends[r] = n;
  }
  return {buffers.ends, buffers.offsets, buffers.weights};
}

// An output row of pixels of several channels. Each sum may run into the next pixel, which follows.
template <class T>
static void sum_pixels(const resample::Operator<T>& op, const RowBuffers<T>& buffers, const RowSums<T>& sums) {
  const resample::Columns& columns = op.columns;
  const T* from = buffers.slots;
  T* to = buffers.out;
  for (int64_t pixel = 0; pixel < columns.n_out; from += columns.stride * op.inner) {
    for (int64_t r = 0; r < columns.phases && pixel < columns.n_out; ++r, ++pixel, to += op.inner) {
      const Sum<T> sum = sums.phase(r);
      if (sum.n_terms > 0) {
        weighted_sum_padded(from, sum, op.inner, to);
      } else {
        for (int64_t c = 0; c < op.inner; ++c) to[c] = T(0);
      }
    }
  }
}

// An output row of pixels that are single numbers.
template <class T>
static void sum_phases(const resample::Operator<T>& op, const RowBuffers<T>& buffers, const RowSums<T>& sums) {
  const int64_t phases = op.columns.phases;
  if (phases == 1) return weighted_sum_padded(buffers.slots, sums.phase(0), op.columns.n_out, buffers.out);
  if (phases == 2) {
    return weighted_pair<RealPixels<T>>(buffers.slots, sums.phase(0), sums.phase(1), op.columns.n_out, buffers.out);
  }
  for (int64_t r = 0; r < phases && r < op.columns.n_out; ++r) {
    const Sum<T> sum = sums.phase(r);
    const int64_t n = (op.columns.n_out - 1 - r) / phases + 1;
    if (sum.n_terms > 0) weighted_sum_padded(buffers.slots, sum, n, buffers.phase);
    for (int64_t i = 0; i < n; ++i) buffers.out[i * phases + r] = sum.n_terms > 0 ? buffers.phase[i] : T(0);
  }
}

template <class Out, class T>
static void make_row(const resample::Operator<T>& op, const RowBuffers<T>& buffers, const RowSums<T>& sums,
                     typename Out::Stored* to) {
  const resample::Columns& columns = op.columns;
  const int64_t inner = op.inner;
  if (inner == 1 && columns.n_folds == 0 && columns.phases == 1) {
    return weighted_sum<RealPixels<T>, Out>(buffers.slots, sums.phase(0), columns.n_out, to);
  }
  if (inner == 1 && columns.n_folds == 0 && columns.phases == 2) {
    return weighted_pair<Out>(buffers.slots, sums.phase(0), sums.phase(1), columns.n_out, to);
  }
  inner == 1 ? sum_phases(op, buffers, sums) : sum_pixels(op, buffers, sums);
  for (const resample::Move* fold = columns.folds; fold < columns.folds + columns.n_folds; ++fold) {
    for (int64_t c = 0; c < inner; ++c) buffers.out[fold->to * inner + c] += buffers.out[fold->from * inner + c];
  }
  write_row<Out>(buffers.out + columns.kept * inner, columns.n_kept * inner, to);
}

// Output rows [begin, end) of a plane.
template <class In, class Out, class T>
static void make_rows(const resample::Operator<T>& op, const void* plane, int64_t begin, int64_t end, void* out,
                      char* scratch) {
  const RowBuffers<T> buffers(op, scratch);
  const auto* from = static_cast<const typename In::Stored*>(plane);
  const int64_t row_size = op.columns.n_kept * op.inner;
  auto* to = static_cast<typename Out::Stored*>(out) + begin * row_size;
  for (int64_t row = begin; row < end; ++row, to += row_size) {
    const int64_t first = row == 0 ? 0 : op.rows.ends[row - 1], n_terms = op.rows.ends[row] - first;
    if (n_terms == 0 || op.columns.n_taps == 0) {
      __builtin_memset(to, 0, row_size * sizeof *to);
      continue;
    }
    if (op.row_weights != nullptr) {
      const Sum<T> rows = {op.row_offsets + first, op.row_weights + first, n_terms};
      fill_slot<In>(op, buffers, from, rows, buffers.slots);
      make_row<Out>(op, buffers, RowSums<T>{op.columns.ends, op.offsets, op.weights}, to);
    } else {
      fill_slots<In>(op, buffers, from, row, first, first + n_terms);
      make_row<Out>(op, buffers, list_sums(op, buffers, first, first + n_terms), to);
    }
  }
}

template <class T>
static void resample_rows(const resample::Operator<T>& op, Pixel type, const void* plane, int64_t begin, int64_t end,
                          void* out, char* scratch) {
  if constexpr (sizeof(T) == 4) {
    if (type == Pixel::kHalf) return make_rows<HalfPixels, HalfPixels>(op, plane, begin, end, out, scratch);
    if (type == Pixel::kBfloat16) return make_rows<Bfloat16Pixels, Bfloat16Pixels>(op, plane, begin, end, out, scratch);
  }
  return make_rows<RealPixels<T>, RealPixels<T>>(op, plane, begin, end, out, scratch);
}

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
  const int64_t zero = 0;
  const T one = T(1);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t first = row == 0 ? 0 : op.rows.ends[row - 1], last = op.rows.ends[row];
    fill_slots<In>(op, buffers, static_cast<const typename In::Stored*>(x), row, first, last);
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
  if constexpr (sizeof(T) == 4) {
    if (type == Pixel::kHalf) return correlate_rows_of<HalfPixels>(op, x, y, y_row, begin, end, sums, scratch);
    if (type == Pixel::kBfloat16) return correlate_rows_of<Bfloat16Pixels>(op, x, y, y_row, begin, end, sums, scratch);
  }
  return correlate_rows_of<RealPixels<T>>(op, x, y, y_row, begin, end, sums, scratch);
}

template <class T>
constexpr resample::Kernels<T> resample_kernels() {
  return {resample_rows<T>, correlate_rows<T>};
}
