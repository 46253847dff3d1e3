#pragma once

#include "simd/image.h"
#include "simd/vec.h"

// Pixels of any type and stride to and from T: vectors of them, tiles [H, 2 L] of two vectors of columns per row, and
// whole planes.
namespace specops::SPECOPS_ISA {

typedef uint16_t HalfWords __attribute__((vector_size(SPECOPS_VECTOR_BYTES / 2)));
typedef uint32_t Words __attribute__((vector_size(SPECOPS_VECTOR_BYTES)));

// A vector of pixels as they are stored, with conversions to and from a vector of T.
struct HalfPixels {
  using Stored = uint16_t;
  using Packed = HalfWords;

  // The bits moved up read as a float 2^-112 too small; the product is exact, subnormals included.
  SPECOPS_INLINE Vec<float> read(HalfWords pixels) {
#if defined(SPECOPS_READ_HALF)
    return SPECOPS_READ_HALF(pixels);
#else
    const Words bits = __builtin_convertvector(pixels, Words), magnitude = bits & 0x7fffu;
    const Vec<float> value = reinterpret_cast<Vec<float>>(magnitude << 13) * 0x1p112f;
    const Words special = reinterpret_cast<Words>(magnitude >= 0x7c00u) & 0x7f800000u;
    return reinterpret_cast<Vec<float>>(reinterpret_cast<Words>(value) | special | (bits & 0x8000u) << 16);
#endif
  }

  // Rounds to nearest, ties to even.
  SPECOPS_INLINE HalfWords write(Vec<float> values) {
#if defined(SPECOPS_WRITE_HALF)
    return SPECOPS_WRITE_HALF(values);
#else
    const Words bits = reinterpret_cast<Words>(values), magnitude = bits & 0x7fffffffu;
    const Words normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    // Below 2^-14 the addition of 1/2 leaves the rounded multiple of 2^-24 in the low bits.
    const Words subnormal = reinterpret_cast<Words>(reinterpret_cast<Vec<float>>(magnitude) + 0.5f) - 0x3f000000u;
    Words result = chosen(magnitude < 0x38800000u, subnormal, normal);
    result = chosen(magnitude >= 0x477ff000u, result * 0u + 0x7c00u, result);
    result = chosen(magnitude > 0x7f800000u, result * 0u + 0x7e00u, result);
    return __builtin_convertvector(result | (bits >> 16 & 0x8000u), HalfWords);
#endif
  }

  template <class Mask>
  SPECOPS_INLINE Words chosen(Mask mask, Words yes, Words no) {
    const Words bits = reinterpret_cast<Words>(mask);
    return (yes & bits) | (no & ~bits);
  }
};

struct Bfloat16Pixels {
  using Stored = uint16_t;
  using Packed = HalfWords;

  SPECOPS_INLINE Vec<float> read(HalfWords pixels) {
    return reinterpret_cast<Vec<float>>(__builtin_convertvector(pixels, Words) << 16);
  }

  SPECOPS_INLINE HalfWords write(Vec<float> values) {
    const Words bits = reinterpret_cast<Words>(values);
    const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const Words nan = reinterpret_cast<Words>((bits & 0x7fffffffu) > 0x7f800000u);
    return __builtin_convertvector((rounded & ~nan) | (nan & 0x7fc0u), HalfWords);
  }
};

template <class T>
struct RealPixels {
  using Stored = T;
  using Packed = Vec<T>;
  SPECOPS_INLINE Vec<T> read(Vec<T> pixels) { return pixels; }
  SPECOPS_INLINE Vec<T> write(Vec<T> values) { return values; }
};

// Calls f with the pixels of a type that are computed with as T.
template <class T, class F>
SPECOPS_INLINE void for_pixels(Pixel type, const F& f) {
  if constexpr (sizeof(T) == 4) {
    if (type == Pixel::kHalf) return f(HalfPixels{});
    if (type == Pixel::kBfloat16) return f(Bfloat16Pixels{});
  }
  f(RealPixels<T>{});
}

template <class T>
struct SignedBytesOf {
  typedef signed char type __attribute__((vector_size(kLanes<T>)));
};
template <class T>
using SignedBytes = typename SignedBytesOf<T>::type;

// By way of integers as wide as T: from bytes to real numbers GCC goes one by one.
template <class T>
SPECOPS_INLINE Vec<T> read_slopes(const int8_t* from) {
  using Integers = decltype(Vec<T>{} < Vec<T>{});
  SignedBytes<T> bytes;
  __builtin_memcpy(&bytes, from, sizeof bytes);
  return __builtin_convertvector(__builtin_convertvector(bytes, Integers), Vec<T>);
}

// `count` <= L pixels `step` apart, then zeros.
template <class Pixels, class T>
SPECOPS_INLINE Vec<T> read_pixels(const typename Pixels::Stored* from, int64_t step, int64_t count) {
  typename Pixels::Packed packed = {};
  if (step == 1 && count == kLanes<T>) {
    __builtin_memcpy(&packed, from, sizeof packed);
  } else {
    typename Pixels::Stored stored[kLanes<T>] = {};
    for (int64_t i = 0; i < count; ++i) stored[i] = from[i * step];
    __builtin_memcpy(&packed, stored, sizeof packed);
  }
  return Pixels::read(packed);
}

// The first `count` elements of a vector; of all of them the size is known, which spares a call.
template <class Packed, class Stored>
SPECOPS_INLINE void write_first(Stored* to, int64_t count, Packed packed) {
  if (count * sizeof *to == sizeof packed) {
    __builtin_memcpy(to, &packed, sizeof packed);
  } else {
    __builtin_memcpy(to, &packed, count * sizeof *to);
  }
}

template <class Pixels, class T>
SPECOPS_INLINE void write_pixels(typename Pixels::Stored* to, int64_t count, Vec<T> values) {
  write_first(to, count, Pixels::write(values));
}

// Two vectors of neighbouring columns, the second maybe the first again; `count` columns of each are inside the image.
struct ColumnPair {
  int64_t first, second, count;
};

// One side of a tile whose columns are contiguous: L rows at a time, the last ones again where L does not divide H.
template <class Pixels, class T>
static void read_tile_by_columns(const typename Pixels::Stored* from, int64_t column_stride, int64_t height, T* tile) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t y = 0; y < height; y += L) {
    const int64_t begin = y < height - L ? y : height - L;
    Vec<T> v[L];
    for (int64_t i = 0; i < L; ++i) v[i] = read_pixels<Pixels, T>(from + i * column_stride + begin, 1, L);
    transpose<T>(v);
    for (int64_t i = 0; i < L; ++i) store(tile + 2 * L * (begin + i), v[i]);
  }
}

template <class Pixels, class T>
static void read_tile(const Image& image, int64_t height, ColumnPair columns, T* tile) {
  constexpr int64_t L = kLanes<T>;
  const auto* pixels = static_cast<const typename Pixels::Stored*>(image.pixels);
  for (int64_t side = 0; side < 2; ++side) {
    const auto* from = pixels + (side == 0 ? columns.first : columns.second) * image.column_stride;
    if (image.row_stride == 1 && height >= L && columns.count == L) {
      read_tile_by_columns<Pixels>(from, image.column_stride, height, tile + L * side);
      continue;
    }
    for (int64_t y = 0; y < height; ++y, from += image.row_stride) {
      store(tile + 2 * L * y + L * side, read_pixels<Pixels, T>(from, image.column_stride, columns.count));
    }
  }
}

// The first side, of a plane narrower than a vector.
template <class Pixels, class T>
static void write_tile(const T* tile, int64_t height, int64_t width, typename Pixels::Stored* out) {
  for (int64_t y = 0; y < height; ++y) write_pixels<Pixels, T>(out + y * width, width, load(tile + 2 * kLanes<T> * y));
}

// L planes whose pixels lie side by side, [H, W, L], to planes [L, H, W].
template <class Pixels, class T>
static void part_planes(const Image& image, int64_t height, int64_t width, T* planes) {
  constexpr int64_t L = kLanes<T>;
  const auto* row = static_cast<const typename Pixels::Stored*>(image.pixels);
  for (int64_t y = 0; y < height; ++y, row += image.row_stride) {
    for (int64_t x = 0; x < width; x += L) {
      const int64_t begin = x < width - L ? x : width - L;
      Vec<T> v[L];
      for (int64_t i = 0; i < L; ++i) v[i] = read_pixels<Pixels, T>(row + (begin + i) * image.column_stride, 1, L);
      transpose<T>(v);
      for (int64_t i = 0; i < L; ++i) store(planes + (i * height + y) * width + begin, v[i]);
    }
  }
}

template <class T>
static void part(const Image& x, int64_t height, int64_t width, T* planes) {
  for_pixels<T>(x.type, [&](auto pixels) { part_planes<decltype(pixels)>(x, height, width, planes); });
}

}  // namespace specops::SPECOPS_ISA
