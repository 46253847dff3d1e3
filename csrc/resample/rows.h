// Rows of a resampled image. Compiled once per instruction set, inside its namespace, after pixels.h.

template <class T>
SPECOPS_INLINE Vec<T> broadcast(T value) {
  return Vec<T>{} + value;
}

// U vectors of to = sum over the terms of weight · from[offset], added in order.
template <int U, bool Add, class In, class Out, class T>
SPECOPS_INLINE void weighted_vectors(const typename In::Stored* from, const int64_t* offsets, const T* weights,
                                     int64_t n_terms, typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sums[U];
  int64_t term = 0;
  if constexpr (Add) {
    for (int u = 0; u < U; ++u) sums[u] = read_pixels<Out, T>(to + u * L, 1, L);
  } else {
    const Vec<T> weight = broadcast(weights[0]);
    for (int u = 0; u < U; ++u) sums[u] = weight * read_pixels<In, T>(from + offsets[0] + u * L, 1, L);
    term = 1;
  }
  for (; term < n_terms; ++term) {
    const Vec<T> weight = broadcast(weights[term]);
    for (int u = 0; u < U; ++u) sums[u] += weight * read_pixels<In, T>(from + offsets[term] + u * L, 1, L);
  }
  for (int u = 0; u < U; ++u) write_pixels<Out, T>(to + u * L, L, sums[u]);
}

// Less than a vector.
template <class In, class Out, class T>
static void weighted_rest(const typename In::Stored* from, const int64_t* offsets, const T* weights, int64_t n_terms,
                          int64_t count, typename Out::Stored* to) {
  Vec<T> sum = broadcast(weights[0]) * read_pixels<In, T>(from + offsets[0], 1, count);
  for (int64_t term = 1; term < n_terms; ++term) {
    sum += broadcast(weights[term]) * read_pixels<In, T>(from + offsets[term], 1, count);
  }
  write_pixels<Out, T>(to, count, sum);
}

// to[i] = sum over the terms of weight · from[offset + i], i < count. `to` must not overlap `from`.
template <class In, class Out, class T>
static void weighted_sum(const typename In::Stored* from, const int64_t* offsets, const T* weights, int64_t n_terms,
                         int64_t count, typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  if (count < L) return weighted_rest<In, Out>(from, offsets, weights, n_terms, count, to);
  int64_t i = 0;
  for (; i + 4 * L <= count; i += 4 * L) {
    weighted_vectors<4, false, In, Out>(from + i, offsets, weights, n_terms, to + i);
  }
  for (; i + 2 * L <= count; i += 2 * L) {
    weighted_vectors<2, false, In, Out>(from + i, offsets, weights, n_terms, to + i);
  }
  for (; i < count; i += L) {
    if (i + L > count) i = count - L;
    weighted_vectors<1, false, In, Out>(from + i, offsets, weights, n_terms, to + i);
  }
}

// The same between buffers that may be read and written up to a vector beyond their ends.
template <bool Add, class T>
static void weighted_sum_padded(const T* from, const int64_t* offsets, const T* weights, int64_t n_terms, int64_t count,
                                T* to) {
  using Real = RealPixels<T>;
  constexpr int64_t L = kLanes<T>;
  int64_t i = 0;
  for (; i + 4 * L <= count; i += 4 * L) {
    weighted_vectors<4, Add, Real, Real>(from + i, offsets, weights, n_terms, to + i);
  }
  if (i + 2 * L <= count) {
    weighted_vectors<2, Add, Real, Real>(from + i, offsets, weights, n_terms, to + i);
    i += 2 * L;
  }
  for (; i < count; i += L) weighted_vectors<1, Add, Real, Real>(from + i, offsets, weights, n_terms, to + i);
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

// parts [2, pitch] -> to [count], element 2 i + r from part r.
template <class Out, class T>
static void interleave_pair(const T* parts, int64_t pitch, int64_t count, typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; 2 * i < count; i += L) {
    const Vec<T> a = load(parts + i), b = load(parts + pitch + i);
    const int64_t left = count - 2 * i;
    write_pixels<Out, T>(to + 2 * i, left < L ? left : L, shuffled<InTurn<L, false>, T>(a, b));
    if (left > L) {
      write_pixels<Out, T>(to + 2 * i + L, left < 2 * L ? left - L : L, shuffled<InTurn<L, true>, T>(a, b));
    }
  }
}

template <class Out, class T>
static void write_row(const T* line, int64_t count, typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; i < count; i += L) {
    write_pixels<Out, T>(to + i, count - i < L ? count - i : L, load(line + i));
  }
}

// The memory of one thread. What no operation writes stays zero: samples beyond a row, phases without taps.
template <class T>
struct RowBuffers {
  SPECOPS_MEMBER RowBuffers(const resample::Operator<T>& op, char* scratch) {
    const resample::Buffers& sizes = op.buffers;
    slots = reinterpret_cast<T*>(scratch);
    line = slots + sizes.slots * sizes.slot;
    phases = line + sizes.line;
    out = phases + op.columns.phases * sizes.phase_pitch;
    held = reinterpret_cast<int64_t*>(scratch + sizes.pixel_bytes);
    used = held + sizes.slots;
    slot_of = used + sizes.slots;
    for (T* at = slots; at < out + sizes.out; ++at) *at = T(0);
    for (int64_t slot = 0; slot < sizes.slots; ++slot) held[slot] = used[slot] = -1;
  }

  T* slots;          // [slots, slot]
  T* line;           // a row before it is dealt out
  T* phases;         // [phases, phase_pitch]
  T* out;            // an output row
  int64_t* held;     // [slots], which row a slot holds
  int64_t* used;     // [slots], by which output row
  int64_t* slot_of;  // [slots], of each term of an output row
};

// Writes to the slot the sum of rows, extended by the boundary and dealt out.
template <class In, class T>
static void fill_slot(const resample::Operator<T>& op, const RowBuffers<T>& buffers, const typename In::Stored* plane,
                      const int64_t* row_offsets, const T* row_weights, int64_t n_terms, T* slot) {
  const resample::Columns& columns = op.columns;
  const int64_t inner = op.inner, count = (columns.read_end - columns.read_begin) * inner;
  T* line = op.buffers.dealt_pitch > 0 ? buffers.line : slot;
  weighted_sum<In, RealPixels<T>>(plane, row_offsets, row_weights, n_terms, count, line + columns.read_to * inner);
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
      fill_slot<In>(op, buffers, plane, op.row_offsets + term, &one, 1, buffers.slots + slot * op.buffers.slot);
      buffers.held[slot] = source;
      buffers.used[slot] = out_row;
    }
    buffers.slot_of[term - begin] = slot;
  }
}

// What an output row is summed up from: extended rows, each with its weights.
template <class T>
struct Layers {
  const resample::Operator<T>& op;
  const RowBuffers<T>& buffers;
  int64_t begin, count;  // terms; none where the rows are summed up already

  SPECOPS_MEMBER int64_t size() const { return op.row_weights != nullptr ? 1 : count; }
  SPECOPS_MEMBER const T* samples(int64_t i) const {
    return buffers.slots + (op.row_weights != nullptr ? 0 : buffers.slot_of[i] * op.buffers.slot);
  }
  SPECOPS_MEMBER const T* weights(int64_t i) const {
    return op.weights + (op.row_weights != nullptr ? 0 : op.rows.terms[begin + i].tap * op.columns.n_taps);
  }

  // `n` sums to `to`, with the taps [first, last) at `at` in each row.
  SPECOPS_MEMBER void sum(int64_t at, int64_t first, int64_t last, int64_t n, T* to) const {
    weighted_sum_padded<false>(samples(0) + at, op.offsets + first, weights(0) + first, last - first, n, to);
    for (int64_t i = 1; i < size(); ++i) {
      weighted_sum_padded<true>(samples(i) + at, op.offsets + first, weights(i) + first, last - first, n, to);
    }
  }
};

// All phases of an output row whose pixels are single numbers, to buffers.phases.
template <class T>
static void sum_phases(const resample::Operator<T>& op, const RowBuffers<T>& buffers, const Layers<T>& layers) {
  const resample::Columns& columns = op.columns;
  for (int64_t r = 0; r < columns.phases && r < columns.n_out; ++r) {
    const int64_t first = r == 0 ? 0 : columns.ends[r - 1], last = columns.ends[r];
    const int64_t n = (columns.n_out - 1 - r) / columns.phases + 1;
    if (first < last) layers.sum(0, first, last, n, buffers.phases + r * op.buffers.phase_pitch);
  }
}

// An output row of pixels of several channels, to buffers.out. Each sum may run into the next pixel, which follows.
template <class T>
static void sum_pixels(const resample::Operator<T>& op, const RowBuffers<T>& buffers, const Layers<T>& layers) {
  const resample::Columns& columns = op.columns;
  const int64_t inner = op.inner;
  T* to = buffers.out;
  int64_t at = 0;
  for (int64_t pixel = 0; pixel < columns.n_out; at += columns.stride * inner) {
    int64_t first = 0;
    for (int64_t r = 0; r < columns.phases && pixel < columns.n_out; ++r, ++pixel, to += inner) {
      const int64_t last = columns.ends[r];
      if (first < last) {
        layers.sum(at, first, last, inner, to);
      } else {
        for (int64_t c = 0; c < inner; ++c) to[c] = T(0);
      }
      first = last;
    }
  }
}

// buffers.phases -> buffers.out
template <class T>
static void gather_phases(const resample::Operator<T>& op, const RowBuffers<T>& buffers) {
  const resample::Columns& columns = op.columns;
  const int64_t pitch = op.buffers.phase_pitch;
  if (columns.phases == 2) {
    return interleave_pair<RealPixels<T>>(buffers.phases, pitch, columns.n_out, buffers.out);
  }
  for (int64_t r = 0; r < columns.phases; ++r) {
    T* to = buffers.out + r;
    const T* from = buffers.phases + r * pitch;
    for (int64_t i = 0; i * columns.phases + r < columns.n_out; ++i) to[i * columns.phases] = from[i];
  }
}

template <class Out, class T>
static void make_row(const resample::Operator<T>& op, const RowBuffers<T>& buffers, const Layers<T>& layers,
                     typename Out::Stored* to) {
  const resample::Columns& columns = op.columns;
  const int64_t inner = op.inner;
  if (inner == 1 && columns.n_folds == 0 && columns.phases == 1 && layers.size() == 1) {
    return weighted_sum<RealPixels<T>, Out>(layers.samples(0), op.offsets, layers.weights(0), columns.n_taps,
                                            columns.n_out, to);
  }
  if (inner > 1) {
    sum_pixels(op, buffers, layers);
  } else {
    sum_phases(op, buffers, layers);
    if (columns.n_folds == 0 && columns.phases == 2) {
      return interleave_pair<Out>(buffers.phases, op.buffers.phase_pitch, columns.n_out, to);
    }
    gather_phases(op, buffers);
  }
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
      fill_slot<In>(op, buffers, from, op.row_offsets + first, op.row_weights + first, n_terms, buffers.slots);
    } else {
      fill_slots<In>(op, buffers, from, row, first, first + n_terms);
    }
    make_row<Out>(op, buffers, Layers<T>{op, buffers, first, n_terms}, to);
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

// Lanes of y · sample, of the pixels that are there: what lies beyond them may be infinite.
template <class T>
SPECOPS_INLINE Vec<T> dot_vectors(const T* y, const T* samples, int64_t count) {
  using Real = RealPixels<T>;
  constexpr int64_t L = kLanes<T>;
  Vec<T> sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * L <= count; i += 4 * L) {
    for (int u = 0; u < 4; ++u) sums[u] += load(y + i + u * L) * load(samples + i + u * L);
  }
  for (; i + L <= count; i += L) sums[0] += load(y + i) * load(samples + i);
  if (i < count) {
    sums[1] += read_pixels<Real, T>(y + i, 1, count - i) * read_pixels<Real, T>(samples + i, 1, count - i);
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <class In, class T>
static void correlate_rows_of(const resample::Operator<T>& op, const void* x, const void* y, int64_t y_row,
                              int64_t begin, int64_t end, double* sums, char* scratch) {
  constexpr int64_t L = kLanes<T>;
  const RowBuffers<T> buffers(op, scratch);
  const resample::Columns& columns = op.columns;
  const int64_t pitch = op.buffers.phase_pitch, zero = 0;
  const T one = T(1);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t first_term = row == 0 ? 0 : op.rows.ends[row - 1], last_term = op.rows.ends[row];
    fill_slots<In>(op, buffers, static_cast<const typename In::Stored*>(x), row, first_term, last_term);
    const auto* y_from = static_cast<const typename In::Stored*>(y) + row * y_row;
    weighted_sum<In, RealPixels<T>>(y_from, &zero, &one, 1, columns.n_out, buffers.out);
    deal(buffers.out, columns.n_out, columns.phases, pitch, buffers.phases);
    for (int64_t term = first_term; term < last_term; ++term) {
      const T* samples = buffers.slots + buffers.slot_of[term - first_term] * op.buffers.slot;
      double* to = sums + op.rows.terms[term].tap * columns.n_taps;
      for (int64_t r = 0, k = 0; r < columns.phases; ++r) {
        const int64_t count = (columns.n_out - 1 - r) / columns.phases + 1;
        for (; k < columns.ends[r]; ++k) {
          const Vec<T> lanes = dot_vectors(buffers.phases + r * pitch, samples + op.offsets[k], count);
          for (int64_t lane = 0; lane < L; ++lane) to[k] += static_cast<double>(lanes[lane]);
        }
      }
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
