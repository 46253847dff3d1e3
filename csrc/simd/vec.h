#pragma once

#include "common/macros.h"
#include "simd/target.h"

// Vectors of SPECOPS_VECTOR_BYTES bytes in the generic form of GCC and Clang, and transposes of square tiles of them.
namespace specops::SPECOPS_ISA {

template <class T>
struct VectorOf;

template <>
struct VectorOf<float> {
  typedef float type __attribute__((vector_size(SPECOPS_VECTOR_BYTES)));
  typedef float unaligned __attribute__((vector_size(SPECOPS_VECTOR_BYTES), aligned(4), may_alias));
  typedef int lanes __attribute__((vector_size(SPECOPS_VECTOR_BYTES)));
};

template <>
struct VectorOf<double> {
  typedef double type __attribute__((vector_size(SPECOPS_VECTOR_BYTES)));
  typedef double unaligned __attribute__((vector_size(SPECOPS_VECTOR_BYTES), aligned(8), may_alias));
  typedef long long lanes __attribute__((vector_size(SPECOPS_VECTOR_BYTES)));
};

template <class T>
using Vec = typename VectorOf<T>::type;

template <class T>
constexpr int kLanes = SPECOPS_VECTOR_BYTES / sizeof(T);

template <class T>
SPECOPS_INLINE Vec<T> load(const T* from) {
  return *reinterpret_cast<const typename VectorOf<T>::unaligned*>(from);
}

template <class T>
SPECOPS_INLINE void store(T* to, Vec<T> v) {
  *reinterpret_cast<typename VectorOf<T>::unaligned*>(to) = v;
}

// Stores a vector at its own alignment past the caches where there is a way to.
template <class T>
SPECOPS_INLINE void store_past_caches(T* to, Vec<T> v) {
#if defined(__x86_64__) && SPECOPS_VECTOR_BYTES > 16
  __asm__("vmovntps %1, %0" : "=m"(*reinterpret_cast<typename VectorOf<T>::unaligned*>(to)) : "v"(v));
#elif defined(__x86_64__)
  __asm__("movntps %1, %0" : "=m"(*reinterpret_cast<typename VectorOf<T>::unaligned*>(to)) : "x"(v));
#else
  store(to, v);
#endif
}

// Makes what was stored past the caches visible to other threads.
SPECOPS_INLINE void end_stores_past_caches() {
#if defined(__x86_64__)
  __asm__ volatile("sfence" ::: "memory");
#endif
}

// Keeps v in a register: the compiler would rather load it again for each use.
template <class V>
SPECOPS_INLINE V held(V v) {
#if defined(__x86_64__)
  __asm__("" : "+v"(v));
#elif defined(__aarch64__)
  __asm__("" : "+w"(v));
#endif
  return v;
}

template <int... I>
struct Sequence {};

template <int N, int... I>
struct MakeSequence : MakeSequence<N - 1, N - 1, I...> {};

template <int... I>
struct MakeSequence<0, I...> {
  using type = Sequence<I...>;
};

// Lane i of the result is lane Choice::lane(i) of a, or lane Choice::lane(i) - L of b.
template <class Choice, class T, int... I>
SPECOPS_INLINE Vec<T> shuffled(Vec<T> a, Vec<T> b, Sequence<I...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, Choice::lane(I)...);
#else
  return __builtin_shuffle(a, b, typename VectorOf<T>::lanes{Choice::lane(I)...});
#endif
}

template <class Choice, class T>
SPECOPS_INLINE Vec<T> shuffled(Vec<T> a, Vec<T> b) {
  return shuffled<Choice, T>(a, b, typename MakeSequence<kLanes<T>>::type{});
}

// Inside each 16 byte block of E elements: units of U elements from the low (high) half of a and of b in turn.
template <int L, int E, int U, bool High>
struct Interleave {
  static constexpr int lane(int i) {
    const int block = i / E * E, unit = i % E / U;
    return block + (High ? E / 2 : 0) + unit / 2 * U + i % U + (unit % 2 == 1 ? L : 0);
  }
};

// Blocks of E elements: the even (odd) ones of a, then those of b. One instruction where a block has 16 bytes.
template <int L, int E, bool Odd>
struct EverySecondBlock {
  static constexpr int lane(int i) {
    const int block = i / E, half = L / E / 2;
    return (2 * (block % half) + Odd) * E + i % E + (block < half ? 0 : L);
  }
};

template <int L>
struct Reverse {
  static constexpr int lane(int i) { return L - 1 - i; }
};

template <class T>
SPECOPS_INLINE Vec<T> reversed(Vec<T> v) {
  return shuffled<Reverse<kLanes<T>>, T>(v, v);
}

template <class T, int Bit>
SPECOPS_INLINE void deal_blocks(Vec<T>* v) {
  constexpr int L = kLanes<T>, E = 16 / sizeof(T);
  if constexpr (Bit * E < L) {
    for (int i = 0; i < L; ++i) {
      if (i & (Bit * E)) continue;
      const Vec<T> a = v[i], b = v[i + Bit * E];
      v[i] = shuffled<EverySecondBlock<L, E, false>, T>(a, b);
      v[i + Bit * E] = shuffled<EverySecondBlock<L, E, true>, T>(a, b);
    }
    deal_blocks<T, 2 * Bit>(v);
  }
}

// v[i][j] <- v[j][i], i, j < L: first inside 16 byte blocks, then whole blocks.
template <class T>
SPECOPS_INLINE void transpose(Vec<T>* v) {
  constexpr int L = kLanes<T>, E = 16 / sizeof(T);
  for (int i = 0; i < L; i += 2) {
    const Vec<T> a = v[i], b = v[i + 1];
    v[i] = shuffled<Interleave<L, E, 1, false>, T>(a, b);
    v[i + 1] = shuffled<Interleave<L, E, 1, true>, T>(a, b);
  }
  if constexpr (E == 4) {
    for (int i = 0; i < L; i += 4) {
      const Vec<T> a = v[i], b = v[i + 1], c = v[i + 2], d = v[i + 3];
      v[i] = shuffled<Interleave<L, E, 2, false>, T>(a, c);
      v[i + 1] = shuffled<Interleave<L, E, 2, true>, T>(a, c);
      v[i + 2] = shuffled<Interleave<L, E, 2, false>, T>(b, d);
      v[i + 3] = shuffled<Interleave<L, E, 2, true>, T>(b, d);
    }
  }
  deal_blocks<T, 1>(v);
}

}  // namespace specops::SPECOPS_ISA
