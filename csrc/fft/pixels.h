// Pixels of any type and stride to and from T: tiles [H, 2 L] of two vectors of columns per row, and whole planes.

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

// `count` <= L pixels `step` apart, then zeros.
template <class Pixels, class T>
SPECOPS_INLINE Vec<T> read_pixels(const typename Pixels::Stored* from, long step, long count) {
  typename Pixels::Packed packed = {};
  if (step == 1 && count == kLanes<T>) {
    __builtin_memcpy(&packed, from, sizeof packed);
  } else {
    typename Pixels::Stored stored[kLanes<T>] = {};
    for (long i = 0; i < count; ++i) stored[i] = from[i * step];
    __builtin_memcpy(&packed, stored, sizeof packed);
  }
  return Pixels::read(packed);
}

template <class Pixels, class T>
SPECOPS_INLINE void write_pixels(typename Pixels::Stored* to, long count, Vec<T> values) {
  const typename Pixels::Packed packed = Pixels::write(values);
  if (count == kLanes<T>) {
    __builtin_memcpy(to, &packed, sizeof packed);
  } else {
    __builtin_memcpy(to, &packed, count * sizeof *to);
  }
}

// Two vectors of neighbouring columns, the second maybe the first again; `count` columns of each are inside the image.
struct ColumnPair {
  long first, second, count;
};

// One side of a tile whose columns are contiguous: L rows at a time, the last ones again where L does not divide H.
template <class Pixels, class T>
static void read_tile_by_columns(const typename Pixels::Stored* from, long column_stride, long height, T* tile) {
  constexpr long L = kLanes<T>;
  for (long y = 0; y < height; y += L) {
    const long begin = y < height - L ? y : height - L;
    Vec<T> v[L];
    for (long i = 0; i < L; ++i) v[i] = read_pixels<Pixels, T>(from + i * column_stride + begin, 1, L);
    transpose<T>(v);
    for (long i = 0; i < L; ++i) store(tile + 2 * L * (begin + i), v[i]);
  }
}

template <class Pixels, class T>
static void read_tile(const Image& image, long height, ColumnPair columns, T* tile) {
  constexpr long L = kLanes<T>;
  const auto* pixels = static_cast<const typename Pixels::Stored*>(image.pixels);
  for (long side = 0; side < 2; ++side) {
    const auto* from = pixels + (side == 0 ? columns.first : columns.second) * image.column_stride;
    if (image.row_stride == 1 && height >= L && columns.count == L) {
      read_tile_by_columns<Pixels>(from, image.column_stride, height, tile + L * side);
      continue;
    }
    for (long y = 0; y < height; ++y, from += image.row_stride) {
      store(tile + 2 * L * y + L * side, read_pixels<Pixels, T>(from, image.column_stride, columns.count));
    }
  }
}

template <class Pixels, class T>
static void write_tile(const T* tile, long height, long width, ColumnPair columns, void* out) {
  constexpr long L = kLanes<T>;
  for (long side = 0; side < 2; ++side) {
    auto* to = static_cast<typename Pixels::Stored*>(out) + (side == 0 ? columns.first : columns.second);
    for (long y = 0; y < height; ++y, to += width) {
      write_pixels<Pixels, T>(to, columns.count, load(tile + 2 * L * y + L * side));
    }
  }
}

// L planes whose pixels lie side by side, [H, W, L], to planes [L, H, W].
template <class Pixels, class T>
static void part_planes(const Image& image, long height, long width, T* planes) {
  constexpr long L = kLanes<T>;
  const auto* row = static_cast<const typename Pixels::Stored*>(image.pixels);
  for (long y = 0; y < height; ++y, row += image.row_stride) {
    for (long x = 0; x < width; x += L) {
      const long begin = x < width - L ? x : width - L;
      Vec<T> v[L];
      for (long i = 0; i < L; ++i) v[i] = read_pixels<Pixels, T>(row + (begin + i) * image.column_stride, 1, L);
      transpose<T>(v);
      for (long i = 0; i < L; ++i) store(planes + (i * height + y) * width + begin, v[i]);
    }
  }
}

// Calls Function<Pixels>::run(arguments...) for the type of the pixels.
template <template <class> class Function, class T, class... Arguments>
SPECOPS_INLINE void for_pixels(Pixel pixel, Arguments... arguments) {
  if constexpr (sizeof(T) == 4) {
    if (pixel == Pixel::kHalf) return Function<HalfPixels>::run(arguments...);
    if (pixel == Pixel::kBfloat16) return Function<Bfloat16Pixels>::run(arguments...);
  }
  return Function<RealPixels<T>>::run(arguments...);
}

template <class Pixels>
struct ReadTile {
  template <class T>
  SPECOPS_INLINE void run(Image image, long height, ColumnPair columns, T* tile) {
    read_tile<Pixels>(image, height, columns, tile);
  }
};

template <class Pixels>
struct WriteTile {
  template <class T>
  SPECOPS_INLINE void run(const T* tile, long height, long width, ColumnPair columns, void* out) {
    write_tile<Pixels>(tile, height, width, columns, out);
  }
};

template <class Pixels>
struct PartPlanes {
  template <class T>
  SPECOPS_INLINE void run(Image image, long height, long width, T* planes) {
    part_planes<Pixels>(image, height, width, planes);
  }
};
