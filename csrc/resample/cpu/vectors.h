#pragma once

#include "simd/pixels.h"

// Weighted sums of rows of pixels; rows dealt out by stride, and put together from phases.
namespace specops::SPECOPS_ISA {

template <class T>
SPECOPS_INLINE Vec<T> broadcast(T value) {
  return value - Vec<T>{};
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

// A sample and its weight in either or both of two sums.
template <class T>
struct PairTerm {
  int64_t offset;
  T first, second;
  bool in_first, in_second;
};

template <class T>
struct PairSum {
  const PairTerm<T>* terms;
  int64_t n_terms;
};

template <int U, class T>
SPECOPS_INLINE void pair_vectors(const T* from, const PairSum<T>& sum, Vec<T>* first, Vec<T>* second) {
  for (int u = 0; u < U; ++u) first[u] = second[u] = Vec<T>{};
  for (const PairTerm<T>* term = sum.terms; term < sum.terms + sum.n_terms; ++term) {
    Vec<T> samples[U];
    for (int u = 0; u < U; ++u) samples[u] = held(load(from + term->offset + u * kLanes<T>));
    const Vec<T> a = broadcast(term->first), b = broadcast(term->second);
    for (int u = 0; u < U && term->in_first; ++u) first[u] += a * samples[u];
    for (int u = 0; u < U && term->in_second; ++u) second[u] += b * samples[u];
  }
}

// Lane i of the result is element Stride·i + Part of Stride vectors in a row, or of the first Seen + 1 of them.
template <int L, int Stride, int Part, int Seen>
struct Dealt {
  static constexpr int lane(int i) {
    const int vector = (Stride * i + Part) / L, element = (Stride * i + Part) % L;
    return vector == Seen ? L + element : Seen == 1 && vector == 0 ? element : i;
  }
};

// Lane i of the result is element Place·L + i of Phases vectors in turn, or of the first Seen + 1 of them.
template <int L, int Phases, int Place, int Seen>
struct InTurn {
  static constexpr int lane(int i) {
    const int phase = (Place * L + i) % Phases, element = (Place * L + i) / Phases;
    return phase == Seen ? L + element : Seen == 1 && phase == 0 ? element : i;
  }
};

// The vectors go in one after the other: the first two together.
template <template <int, int, int, int> class Choice, int N, int Which, class T, int Seen = N - 1>
SPECOPS_INLINE Vec<T> gathered(const Vec<T>* vectors) {
  using Lanes = Choice<kLanes<T>, N, Which, Seen>;
  if constexpr (Seen == 1) {
    return shuffled<Lanes, T>(vectors[0], vectors[1]);
  } else {
    return shuffled<Lanes, T>(gathered<Choice, N, Which, T, Seen - 1>(vectors), vectors[Seen]);
  }
}

template <class T, int... Part>
SPECOPS_INLINE void store_dealt(const Vec<T>* line, int64_t pitch, T* parts, Sequence<Part...>) {
  (store(parts + Part * pitch, gathered<Dealt, sizeof...(Part), Part, T>(line)), ...);
}

template <class T, int... Place>
SPECOPS_INLINE void store_in_turn(const Vec<T>* phases, T* to, Sequence<Place...>) {
  (store(to + Place * kLanes<T>, gathered<InTurn, sizeof...(Place), Place, T>(phases)), ...);
}

template <int Stride, class T>
static void deal_by(const T* line, int64_t count, int64_t pitch, T* parts) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; Stride * i < count; i += L) {
    Vec<T> v[Stride];
    for (int u = 0; u < Stride; ++u) v[u] = load(line + Stride * i + u * L);
    store_dealt<T>(v, pitch, parts + i, typename MakeSequence<Stride>::type{});
  }
}

// line [count] -> parts [stride, pitch], element stride·i + r to part r. Reads and writes vectors beyond the ends.
template <class T>
static void deal(const T* line, int64_t count, int64_t stride, int64_t pitch, T* parts) {
  if (stride == 2) return deal_by<2>(line, count, pitch, parts);
  if (stride == 3) return deal_by<3>(line, count, pitch, parts);
  if (stride == 4) return deal_by<4>(line, count, pitch, parts);
  for (int64_t r = 0; r < stride; ++r) {
    for (int64_t i = 0; stride * i + r < count; ++i) parts[pitch * r + i] = line[stride * i + r];
  }
}

// As weighted_sum, dealt out by two; `line` has zeros after the last element that is written.
template <class In, class T>
static void weighted_sum_dealt(const typename In::Stored* from, const Sum<T>& sum, int64_t count, int64_t pitch,
                               T* line, T* parts) {
  constexpr int64_t L = kLanes<T>;
  int64_t i = 0;
  for (; i + 4 * L <= count; i += 4 * L) {
    Vec<T> v[4];
    sum_vectors<4, In>(from + i, sum, v);
    store_dealt<T>(v, pitch, parts + i / 2, typename MakeSequence<2>::type{});
    store_dealt<T>(v + 2, pitch, parts + i / 2 + L, typename MakeSequence<2>::type{});
  }
  if (i == count) return;
  const int64_t last = (count - 2 * L) / 2 * 2, begin = i == 0 || i < last ? i : last;
  weighted_sum<In, RealPixels<T>>(from + begin, sum, count - begin, line);
  deal_by<2>(line, count - begin, pitch, parts + begin / 2);
}

template <int Phases, class T>
static void join_by(const T* parts, int64_t pitch, int64_t count, T* to) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; Phases * i < count; i += L) {
    Vec<T> v[Phases];
    for (int r = 0; r < Phases; ++r) v[r] = load(parts + r * pitch + i);
    store_in_turn<T>(v, to + Phases * i, typename MakeSequence<Phases>::type{});
  }
}

// parts [phases, pitch] -> to [count], element phases·i + r from part r. Reads and writes vectors beyond the ends.
template <class T>
static void join(const T* parts, int64_t phases, int64_t pitch, int64_t count, T* to) {
  if (phases == 3) return join_by<3>(parts, pitch, count, to);
  if (phases == 4) return join_by<4>(parts, pitch, count, to);
  if (phases == 8) return join_by<8>(parts, pitch, count, to);
  for (int64_t r = 0; r < phases; ++r) {
    for (int64_t i = 0; phases * i + r < count; ++i) to[phases * i + r] = parts[r * pitch + i];
  }
}

// U vectors of each of two sums, in turn, of which `count` pixels are kept.
template <int U, class Out, class T>
SPECOPS_INLINE void weighted_pair_vectors(const T* from, const PairSum<T>& sum, int64_t count,
                                          typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> first[U], second[U];
  pair_vectors<U>(from, sum, first, second);
  for (int64_t u = 0; u < U; ++u) {
    const Vec<T> both[2] = {first[u], second[u]};
    const int64_t left = count - 2 * u * L;
    write_pixels<Out, T>(to + 2 * u * L, left < L ? left : L, gathered<InTurn, 2, 0, T>(both));
    if (left <= L) return;
    write_pixels<Out, T>(to + (2 * u + 1) * L, left < 2 * L ? left - L : L, gathered<InTurn, 2, 1, T>(both));
    if (left <= 2 * L) return;
  }
}

// to[2 i] = the first sum at from + i, to[2 i + 1] = the second one.
template <class Out, class T>
static void weighted_pair(const T* from, const PairSum<T>& sum, int64_t count, typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  int64_t i = 0;
  for (; 2 * i + 8 * L <= count; i += 4 * L) weighted_pair_vectors<4, Out>(from + i, sum, 8 * L, to + 2 * i);
  for (; 2 * i + 4 * L <= count; i += 2 * L) weighted_pair_vectors<2, Out>(from + i, sum, 4 * L, to + 2 * i);
  for (; 2 * i < count; i += L) weighted_pair_vectors<1, Out>(from + i, sum, count - 2 * i, to + 2 * i);
}

template <class Out, class T>
static void write_row(const T* line, int64_t count, typename Out::Stored* to) {
  constexpr int64_t L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= count; i += L) write_pixels<Out, T>(to + i, L, load(line + i));
  if (i < count) write_pixels<Out, T>(to + i, count - i, load(line + i));
}

}  // namespace specops::SPECOPS_ISA
