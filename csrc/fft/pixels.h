// Pixels of any type and stride to and from tiles [H, 2 L] of T: two vectors of columns per row.

SPECOPS_INLINE float half_to_float(uint16_t half) {
  const uint32_t magnitude = half & 0x7fffu, sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  // The bits moved up read as a float 2^-112 too small; the product is exact, subnormals included.
  const uint32_t moved = magnitude << 13;
  float value;
  __builtin_memcpy(&value, &moved, 4);
  value *= 0x1p112f;
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  bits |= magnitude >= 0x7c00u ? 0x7f800000u : 0u;
  bits |= sign;
  __builtin_memcpy(&value, &bits, 4);
  return value;
}

// Rounds to nearest, ties to even.
SPECOPS_INLINE uint16_t float_to_half(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  bits &= 0x7fffffffu;
  const uint32_t normal = (bits - 0x38000000u + 0xfffu + ((bits >> 13) & 1u)) >> 13;
  // Below 2^-14 the addition of 1/2 leaves the rounded multiple of 2^-24 in the low bits.
  float shifted;
  __builtin_memcpy(&shifted, &bits, 4);
  shifted += 0.5f;
  uint32_t shifted_bits;
  __builtin_memcpy(&shifted_bits, &shifted, 4);
  const uint32_t subnormal = shifted_bits - 0x3f000000u;
  uint32_t result = bits < 0x38800000u ? subnormal : normal;
  result = bits >= 0x477ff000u ? 0x7c00u : result;
  result = bits > 0x7f800000u ? 0x7e00u : result;
  return static_cast<uint16_t>(result | sign);
}

SPECOPS_INLINE float bfloat16_to_float(uint16_t pixel) {
  const uint32_t bits = static_cast<uint32_t>(pixel) << 16;
  float value;
  __builtin_memcpy(&value, &bits, 4);
  return value;
}

SPECOPS_INLINE uint16_t float_to_bfloat16(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
}

struct HalfPixels {
  using Stored = uint16_t;
  SPECOPS_INLINE float read(uint16_t pixel) { return half_to_float(pixel); }
  SPECOPS_INLINE uint16_t write(float value) { return float_to_half(value); }
};

struct Bfloat16Pixels {
  using Stored = uint16_t;
  SPECOPS_INLINE float read(uint16_t pixel) { return bfloat16_to_float(pixel); }
  SPECOPS_INLINE uint16_t write(float value) { return float_to_bfloat16(value); }
};

template <class T>
struct RealPixels {
  using Stored = T;
  SPECOPS_INLINE T read(T pixel) { return pixel; }
  SPECOPS_INLINE T write(T value) { return value; }
};

// Two vectors of neighbouring columns, the second maybe the first again; `count` columns of each are inside the image.
struct ColumnPair {
  long first, second, count;
};

template <class Pixels, class T>
static void read_tile(const Image& image, long height, ColumnPair columns, T* __restrict tile) {
  constexpr long L = kLanes<T>;
  for (long side = 0; side < 2; ++side) {
    const auto* from = static_cast<const typename Pixels::Stored*>(image.pixels) +
                       (side == 0 ? columns.first : columns.second) * image.column_stride;
    for (long y = 0; y < height; ++y, from += image.row_stride) {
      T* to = tile + 2 * L * y + L * side;
      if (image.column_stride == 1 && columns.count == L) {
        for (long i = 0; i < L; ++i) to[i] = Pixels::read(from[i]);
      } else {
        for (long i = 0; i < columns.count; ++i) to[i] = Pixels::read(from[i * image.column_stride]);
        for (long i = columns.count; i < L; ++i) to[i] = T(0);
      }
    }
  }
}

template <class Pixels, class T>
static void write_tile(const T* __restrict tile, long height, long width, ColumnPair columns, void* out) {
  constexpr long L = kLanes<T>;
  for (long side = 0; side < 2; ++side) {
    auto* to = static_cast<typename Pixels::Stored*>(out) + (side == 0 ? columns.first : columns.second);
    for (long y = 0; y < height; ++y, to += width) {
      const T* from = tile + 2 * L * y + L * side;
      if (columns.count == L) {
        for (long i = 0; i < L; ++i) to[i] = Pixels::write(from[i]);
      } else {
        for (long i = 0; i < columns.count; ++i) to[i] = Pixels::write(from[i]);
      }
    }
  }
}

SPECOPS_INLINE void read_tile(Pixel pixel, const Image& image, long height, ColumnPair columns, float* tile) {
  if (pixel == Pixel::kHalf) return read_tile<HalfPixels>(image, height, columns, tile);
  if (pixel == Pixel::kBfloat16) return read_tile<Bfloat16Pixels>(image, height, columns, tile);
  return read_tile<RealPixels<float>>(image, height, columns, tile);
}

SPECOPS_INLINE void read_tile(Pixel, const Image& image, long height, ColumnPair columns, double* tile) {
  return read_tile<RealPixels<double>>(image, height, columns, tile);
}

SPECOPS_INLINE void write_tile(Pixel pixel, const float* tile, long height, long width, ColumnPair columns, void* out) {
  if (pixel == Pixel::kHalf) return write_tile<HalfPixels>(tile, height, width, columns, out);
  if (pixel == Pixel::kBfloat16) return write_tile<Bfloat16Pixels>(tile, height, width, columns, out);
  return write_tile<RealPixels<float>>(tile, height, width, columns, out);
}

SPECOPS_INLINE void write_tile(Pixel, const double* tile, long height, long width, ColumnPair columns, void* out) {
  return write_tile<RealPixels<double>>(tile, height, width, columns, out);
}
