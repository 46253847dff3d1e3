#pragma once

#include "resample/cpu/fused.h"

// Rows of a resampled image.
namespace specops::SPECOPS_ISA {

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
    pairs = reinterpret_cast<PairTerm<T>*>(offsets + sizes.slots * op.columns.n_taps);
    weights = reinterpret_cast<T*>(pairs + sizes.slots * op.columns.n_taps);
    __builtin_memset(slots, 0, sizes.pixel_bytes);
    for (int64_t slot = 0; slot < sizes.slots; ++slot) held[slot] = used[slot] = -1;
  }

  T* slots;          // [slots, slot]
  T* line;           // a row before it is dealt out
  T* phase;          // [phases, phase_pitch], of an output row
  T* out;            // [slots, out_pitch], output rows
  T* lanes;          // [fh, n_taps, L]
  int64_t* held;     // [slots], which row a slot holds
  int64_t* used;     // [slots], by which output row
  int64_t* slot_of;  // [slots], of each term of an output row
  // The sums of an output row, phase by phase, over all slots.
  int64_t* ends;     // [phases]
  int64_t* offsets;  // [slots · n_taps]
  T* weights;
  PairTerm<T>* pairs;  // [slots · n_taps] or fewer: the same of two phases
};

// Writes to the slot the sum of rows, extended by the boundary and dealt out.
template <class In, class T>
static void fill_slot(const resample::Operator<T>& op, const RowBuffers<T>& buffers, const typename In::Stored* plane,
                      const Sum<T>& rows, T* slot) {
  const resample::Columns& columns = op.columns;
  const int64_t inner = op.inner, count = (columns.read_end - columns.read_begin) * inner;
  const int64_t stride = columns.stride, pitch = op.buffers.dealt_pitch;
  if (pitch == 0) {
    weighted_sum<In, RealPixels<T>>(plane, rows, count, slot + columns.read_to * inner);
  } else if (stride == 2) {
    weighted_sum_dealt<In>(plane, rows, count, pitch, buffers.line, slot + columns.read_to / 2);
  } else {
    weighted_sum<In, RealPixels<T>>(plane, rows, count, buffers.line);
    deal(buffers.line, count, stride, pitch, slot + columns.read_to / stride);
  }
  for (const resample::Move* copy = op.copies; copy < op.copies + columns.n_copies; ++copy) {
    for (int64_t c = 0; c < inner; ++c) slot[copy->to + c] = slot[copy->from + c];
  }
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

// The sums of an output row: phase by phase, or where there are two of them, both at once.
template <class T>
struct RowSums {
  const int64_t* ends;  // [phases]
  const int64_t* offsets;
  const T* weights;
  PairSum<T> pair;

  SPECOPS_MEMBER Sum<T> phase(int64_t r) const {
    const int64_t first = r == 0 ? 0 : ends[r - 1];
    return {offsets + first, weights + first, ends[r] - first};
  }
};

// What an output row is made of: rows in slots, each with a row of taps of the filter.
template <class T>
struct SlotRows {
  const resample::Operator<T>& op;
  const int64_t* slots;
  const resample::Term* terms;  // or nullptr: the only row of taps
  int64_t n;

  SPECOPS_MEMBER int64_t offset(int64_t row, int64_t k) const { return slots[row] * op.buffers.slot + op.offsets[k]; }
  SPECOPS_MEMBER T weight(int64_t row, int64_t k) const {
    return op.weights[(terms == nullptr ? 0 : terms[row].tap * op.columns.n_taps) + k];
  }
};

template <class T>
static void list_phases(const SlotRows<T>& rows, const RowBuffers<T>& buffers) {
  const resample::Columns& columns = rows.op.columns;
  int64_t n = 0;
  for (int64_t r = 0; r < columns.phases; ++r) {
    for (int64_t row = 0; row < rows.n; ++row) {
      for (int64_t k = r == 0 ? 0 : columns.ends[r - 1]; k < columns.ends[r]; ++k, ++n) {
        buffers.offsets[n] = rows.offset(row, k);
        buffers.weights[n] = rows.weight(row, k);
      }
    }
    buffers.ends[r] = n;
  }
}

// The terms of two phases by rising samples.
template <class T>
static PairSum<T> list_pair(const SlotRows<T>& rows, const RowBuffers<T>& buffers) {
  const resample::Columns& columns = rows.op.columns;
  const int64_t first_end = columns.ends[0], second_end = columns.ends[1];
  PairTerm<T>* term = buffers.pairs;
  for (int64_t row = 0; row < rows.n; ++row) {
    for (int64_t i = 0, j = first_end; i < first_end || j < second_end; ++term) {
      const bool first = i < first_end && (j == second_end || columns.shifts[i] <= columns.shifts[j]);
      const bool second = j < second_end && (i == first_end || columns.shifts[j] <= columns.shifts[i]);
      *term = {rows.offset(row, first ? i : j), first ? rows.weight(row, i) : T(0), second ? rows.weight(row, j) : T(0),
               first, second};
      i += first, j += second;
    }
  }
  return {buffers.pairs, term - buffers.pairs};
}

template <class T>
static RowSums<T> list_sums(const SlotRows<T>& rows, const RowBuffers<T>& buffers) {
  RowSums<T> sums = {buffers.ends, buffers.offsets, buffers.weights, {}};
  if (rows.op.columns.phases == 2 && rows.op.inner == 1) {
    sums.pair = list_pair(rows, buffers);
  } else {
    list_phases(rows, buffers);
  }
  return sums;
}

// An output row of pixels of several channels. Each sum may run into the next pixel, which follows.
template <class T>
static void sum_pixels(const resample::Operator<T>& op, const T* from, const RowSums<T>& sums, T* to) {
  const resample::Columns& columns = op.columns;
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
static void sum_phases(const resample::Operator<T>& op, const RowBuffers<T>& buffers, const T* from,
                       const RowSums<T>& sums, T* to) {
  const resample::Columns& columns = op.columns;
  if (columns.phases == 2) {
    constexpr int64_t whole = 2 * kLanes<T>;
    return weighted_pair<RealPixels<T>>(from, sums.pair, (columns.n_out + whole - 1) / whole * whole, to);
  }
  for (int64_t r = 0; r < columns.phases && r < columns.n_out; ++r) {
    const Sum<T> sum = sums.phase(r);
    const int64_t n = (columns.n_out - 1 - r) / columns.phases + 1;
    T* phase = columns.phases == 1 ? to : buffers.phase + r * op.buffers.phase_pitch;
    sum.n_terms > 0 ? weighted_sum_padded(from, sum, n, phase)
                    : static_cast<void>(__builtin_memset(phase, 0, n * sizeof(T)));
  }
  if (columns.phases > 1) join(buffers.phase, columns.phases, op.buffers.phase_pitch, columns.n_out, to);
}

// Whether output rows are summed where they stay, folds included.
template <class Out, class T>
constexpr bool writes_directly(const resample::Operator<T>& op) {
  const bool wide = sizeof(typename Out::Stored) == sizeof(T);
  return op.inner == 1 && op.columns.phases <= 2 && (wide || op.columns.n_folds == 0);
}

// Adds to an output row what lies beyond the image.
template <class T>
static void add_folds(const SlotRows<T>& rows, const T* from, T* to) {
  const resample::Columns& columns = rows.op.columns;
  const int64_t inner = rows.op.inner, first_tap = columns.n_taps - columns.n_folds;
  for (int64_t row = 0; row < rows.n; ++row) {
    for (int64_t fold = 0; fold < columns.n_folds; ++fold) {
      const T* samples = from + rows.offset(row, first_tap + fold);
      const T weight = rows.weight(row, first_tap + fold);
      for (int64_t c = 0; c < inner; ++c) to[columns.folds[fold] * inner + c] += weight * samples[c];
    }
  }
}

// An output row where it stays, or else as a line.
template <class Out, class T>
static void sum_row(const SlotRows<T>& rows, const RowBuffers<T>& buffers, const RowSums<T>& sums, const T* from,
                    T* line, typename Out::Stored* to) {
  const resample::Operator<T>& op = rows.op;
  if (!writes_directly<Out>(op)) {
    op.inner == 1 ? sum_phases(op, buffers, from, sums, line) : sum_pixels(op, from, sums, line);
    if (op.columns.n_folds > 0) add_folds(rows, from, line);
    return;
  }
  if (op.columns.phases == 2) {
    weighted_pair<Out>(from, sums.pair, op.columns.n_out, to);
  } else if (sums.ends[0] > 0) {
    weighted_sum<RealPixels<T>, Out>(from, sums.phase(0), op.columns.n_out, to);
  } else {
    __builtin_memset(to, 0, op.columns.n_out * sizeof *to);
  }
  if constexpr (sizeof *to == sizeof(T)) {
    if (op.columns.n_folds > 0) add_folds(rows, from, to);
  }
}

template <class Stored>
static void fetch(const Stored* from, int64_t count) {
  constexpr int64_t kCacheLine = 64;
  const char* bytes = reinterpret_cast<const char*>(from);
  for (int64_t at = 0; at < count * static_cast<int64_t>(sizeof *from); at += kCacheLine) {
    __builtin_prefetch(bytes + at);
  }
}

// Asks for the input rows of an output row that come after row `fetched`; returns the last one.
template <class Stored, class T>
static int64_t fetch_rows(const resample::Operator<T>& op, const Stored* plane, int64_t row, int64_t fetched) {
  for (int64_t term = row == 0 ? 0 : op.rows.ends[row - 1]; term < op.rows.ends[row]; ++term) {
    if (op.rows.terms[term].source <= fetched) continue;
    fetched = op.rows.terms[term].source;
    fetch(plane + op.row_offsets[term], (op.columns.read_end - op.columns.read_begin) * op.inner);
  }
  return fetched;
}

// Output rows [begin, end) of a filter that is an outer product, in three steps: along y to a slot, along x to the
// output or to a line, from the line to the output. Between the steps of one row stand those of its neighbours: a
// vector that is read elsewhere than it was written must have left for the cache first, behind all earlier ones.
template <class In, class Out, class T>
static void make_separable_rows(const resample::Operator<T>& op, const RowBuffers<T>& buffers,
                                const typename In::Stored* from, int64_t begin, int64_t end,
                                typename Out::Stored* out) {
  constexpr int64_t kFetchedAhead = 2, ring = resample::kStages, delay = ring - 1;
  const int64_t zero = 0, row_size = op.columns.n_out * op.inner;
  const SlotRows<T> taps = {op, &zero, nullptr, 1};
  const RowSums<T> sums = list_sums(taps, buffers);
  const bool direct = writes_directly<Out>(op);
  int64_t fetched = -1;
  for (int64_t step = begin; step < end + (direct ? 1 : 2) * delay; ++step) {
    if (step + kFetchedAhead < end) fetched = fetch_rows(op, from, step + kFetchedAhead, fetched);
    if (const int64_t row = step; row < end && op.rows.count(row) > 0) {
      const int64_t first = op.rows.ends[row] - op.rows.count(row);
      const Sum<T> rows = {op.row_offsets + first, op.row_weights + first, op.rows.count(row)};
      fill_slot<In>(op, buffers, from, rows, buffers.slots + row % ring * op.buffers.slot);
    }
    if (const int64_t row = step - delay; row >= begin && row < end && op.rows.count(row) > 0) {
      T* line = buffers.out + row % ring * op.buffers.out_pitch;
      sum_row<Out>(taps, buffers, sums, buffers.slots + row % ring * op.buffers.slot, line, out + row * row_size);
    } else if (row >= begin && row < end) {
      __builtin_memset(out + row * row_size, 0, row_size * sizeof *out);
    }
    if (const int64_t row = step - 2 * delay; !direct && row >= begin && op.rows.count(row) > 0) {
      write_row<Out>(buffers.out + row % ring * op.buffers.out_pitch, row_size, out + row * row_size);
    }
  }
}

template <class In, class Out, class T>
static void make_full_rows(const resample::Operator<T>& op, const RowBuffers<T>& buffers,
                           const typename In::Stored* from, int64_t begin, int64_t end, typename Out::Stored* out) {
  const int64_t row_size = op.columns.n_out * op.inner;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t last = op.rows.ends[row], first = last - op.rows.count(row);
    typename Out::Stored* to = out + row * row_size;
    if (first == last) {
      __builtin_memset(to, 0, row_size * sizeof *to);
      continue;
    }
    fill_slots<In>(op, buffers, from, row, first, last);
    const SlotRows<T> rows = {op, buffers.slot_of, op.rows.terms + first, last - first};
    sum_row<Out>(rows, buffers, list_sums(rows, buffers), buffers.slots, buffers.out, to);
    if (!writes_directly<Out>(op)) write_row<Out>(buffers.out, row_size, to);
  }
}

// Output rows [begin, end) of a plane.
template <class In, class Out, class T>
static void make_rows(const resample::Operator<T>& op, const void* plane, int64_t begin, int64_t end, void* out,
                      char* scratch) {
  const auto* rows = static_cast<const typename In::Stored*>(plane);
  auto* to = static_cast<typename Out::Stored*>(out);
  const resample::Columns& columns = op.columns;
  const int64_t row_size = columns.n_out * op.inner;
  if (columns.n_taps == 0) {
    __builtin_memset(to + begin * row_size, 0, (end - begin) * row_size * sizeof *to);
    return;
  }
  if (fuses<Out>(op)) {
    if (columns.phases == 2) return make_fused_rows<2, 1, In, Out>(op, rows, begin, end, to);
    if (columns.stride == 2) return make_fused_rows<1, 2, In, Out>(op, rows, begin, end, to);
    return make_fused_rows<1, 1, In, Out>(op, rows, begin, end, to);
  }
  const RowBuffers<T> buffers(op, scratch);
  const auto* from = rows + columns.read_begin * op.inner;
  if (op.row_weights != nullptr) {
    make_separable_rows<In, Out>(op, buffers, from, begin, end, to);
  } else {
    make_full_rows<In, Out>(op, buffers, from, begin, end, to);
  }
}

template <class T>
static void resample_rows(const resample::Operator<T>& op, Pixel type, const void* plane, int64_t begin, int64_t end,
                          void* out, char* scratch) {
  for_pixels<T>(
      type, [&](auto pixels) { make_rows<decltype(pixels), decltype(pixels)>(op, plane, begin, end, out, scratch); });
}

}  // namespace specops::SPECOPS_ISA
