#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

#include "common/cuda/launch.cuh"
#include "resample/cuda/windows.cuh"

// Pixels between global and shared memory. A tile is a set of output rows and columns (of `inner` channels of
// channels-last images); the samples that it needs lie in shared memory in the dtype of the arithmetic.
namespace specops::resample {

template <class Stored>
struct Arithmetic {
  using Type = float;
};
template <>
struct Arithmetic<double> {
  using Type = double;
};

SPECOPS_INLINE float widened(float value) { return value; }
SPECOPS_INLINE double widened(double value) { return value; }
SPECOPS_INLINE float widened(__half value) { return __half2float(value); }
SPECOPS_INLINE float widened(__nv_bfloat16 value) { return __bfloat162float(value); }
SPECOPS_INLINE void narrow(float value, float& to) { to = value; }
SPECOPS_INLINE void narrow(double value, double& to) { to = value; }
SPECOPS_INLINE void narrow(float value, __half& to) { to = __float2half_rn(value); }
SPECOPS_INLINE void narrow(float value, __nv_bfloat16& to) { to = __float2bfloat16_rn(value); }

// Calls f(line, piece) for this thread's share of lines x pieces, in order of the pieces of a line.
template <class F>
SPECOPS_DEVICE void for_pieces(int32_t lines, int32_t pieces, const F& f) {
  if (pieces <= 0) return;
  const int32_t threads = blockDim.x, more_lines = threads / pieces, more_pieces = threads % pieces;
  int32_t line = static_cast<int32_t>(threadIdx.x) / pieces, piece = static_cast<int32_t>(threadIdx.x) % pieces;
#pragma unroll 1
  while (line < lines) {
    f(line, piece);
    line += more_lines;
    piece += more_pieces;
    if (piece >= pieces) {
      piece -= pieces;
      ++line;
    }
  }
}

// 16 bytes as they travel, and what they hold.
template <class Element>
struct Pack {
  static constexpr int32_t kCount = 16 / sizeof(Element), kInSector = 2 * kCount;
  Element at[kCount];
};

template <class Element>
SPECOPS_INLINE Pack<Element> read_pack(const Element* from) {
  const uint4 bits = *reinterpret_cast<const uint4*>(from);
  Pack<Element> pack;
  memcpy(&pack, &bits, sizeof bits);
  return pack;
}

template <class Element>
SPECOPS_INLINE void write_pack(const Pack<Element>& pack, Element* to) {
  uint4 bits;
  memcpy(&bits, &pack, sizeof bits);
  *reinterpret_cast<uint4*>(to) = bits;
}

// Where a block is: its images' elements, output columns and channels.
struct Place {
  int64_t plane;
  int32_t band;
  int32_t column, end_column;  // of the output
  int32_t first_slot;          // the sample of slot 0
  int32_t n_slots;             // samples of this tile
  int32_t channel;             // the first one
  int32_t column_tile;
};

template <class Stored>
SPECOPS_DEVICE Place place_of(const Layout& layout, int64_t block) {
  const int32_t tiles = layout.bands * layout.channel_tiles * layout.column_tiles;
  Place place;
  place.plane = block / tiles;
  const int32_t tile = static_cast<int32_t>(block - place.plane * tiles);
  place.column_tile = tile % layout.column_tiles;
  place.channel = (tile / layout.column_tiles % layout.channel_tiles) << layout.inner_bits;
  place.band = tile / (layout.column_tiles * layout.channel_tiles);
  place.column = place.column_tile * layout.x.tile;
  place.end_column = smaller(place.column + layout.x.tile, layout.x.n_out);
  const int32_t first = first_sample(layout.x, place.column);
  place.first_slot = layout.channels == 1 ? first - floor_mod(first, Pack<Stored>::kInSector) : first;
  place.n_slots = larger(end_sample(layout.x, place.end_column - 1), first) - place.first_slot;
  return place;
}

// `count` elements, as many as 16 bytes of an image hold, to shared memory.
template <int32_t count, class T>
SPECOPS_DEVICE void put(const T (&values)[count], T* to) {
  for (int32_t i = 0; i < count; i += Pack<T>::kCount) {
    Pack<T> pack;
    for (int32_t j = 0; j < Pack<T>::kCount; ++j) pack.at[j] = values[i + j];
    write_pack(pack, to + i);
  }
}

// One element of a row; zero where there is no such sample or channel.
template <class T, class Stored>
SPECOPS_DEVICE T sample_of(const Layout& layout, const Stored* row, int32_t source, int32_t channel) {
  if (source < 0 || channel >= layout.channels) return T(0);
  return widened(row[static_cast<int64_t>(source) * layout.channels + channel]);
}

// As many elements of a row as 16 bytes hold, in one access where they are 16 aligned bytes of the image. `element`
// counts from slot 0 on, channels innermost.
template <class Stored, class T>
SPECOPS_DEVICE void load_pack(const Layout& layout, const Place& place, const Stored* row, int32_t element, T* to) {
  constexpr int32_t count = Pack<Stored>::kCount;
  const int32_t slot = element >> layout.inner_bits, channel = place.channel + element - (slot << layout.inner_bits);
  const int32_t sample = place.first_slot + slot;
  const bool planar = layout.channels == 1;
  if (1 << layout.inner_bits >= count && !in_a_window(layout.x, sample)) return;
  const int32_t source = planar ? sample : source_of(layout.x, sample);
  const bool inside = source >= 0 && (planar ? source + count <= layout.x.n_in : channel + count <= layout.channels);
  T values[count];
  if (layout.load_vectors && inside) {
    const Pack<Stored> pack = read_pack(row + static_cast<int64_t>(source) * layout.channels + channel);
    for (int32_t i = 0; i < count; ++i) values[i] = widened(pack.at[i]);
  } else {
    for (int32_t i = 0; i < count; ++i) {
      const int32_t at = (element + i) >> layout.inner_bits;
      const int32_t from = at < place.n_slots ? source_of(layout.x, place.first_slot + at) : -1;
      values[i] = sample_of<T>(layout, row, from, place.channel + element + i - (at << layout.inner_bits));
    }
  }
  put(values, to);
}

// The folds of an axis, as plans/axes.py lays them out: where each tile's extra samples begin, where each output's
// terms begin, the samples, the terms as pairs (which extra sample of the tile, tap).
struct Folds {
  const int32_t* lists;
  int32_t tiles, outputs;
};

SPECOPS_DEVICE int32_t extras_begin(const Folds& folds, int32_t tile) { return folds.lists[tile]; }

SPECOPS_DEVICE int32_t extra_source(const Folds& folds, int32_t index) {
  return folds.lists[folds.tiles + folds.outputs + 2 + index];
}

SPECOPS_DEVICE int32_t terms_begin(const Folds& folds, int32_t output) { return folds.lists[folds.tiles + 1 + output]; }

SPECOPS_DEVICE int2 term(const Folds& folds, int32_t index) {
  const int32_t* at = folds.lists + folds.tiles + folds.outputs + 2 + folds.lists[folds.tiles] + 2 * index;
  return make_int2(at[0], at[1]);
}

// The samples that the output rows [row, row + rows) need and that are not in shared memory since the last step;
// `loaded` is one beyond the last sample that is. Sample s lies in row s mod slots, extra samples come after these.
template <bool folded, class Stored, class T>
SPECOPS_DEVICE void load_rows(const Layout& layout, const Place& place, const Stored* plane, const Folds& row_folds,
                              const Folds& column_folds, int32_t row, int32_t rows, int32_t& loaded, T* samples) {
  constexpr int32_t count = Pack<Stored>::kCount;
  const int32_t first = larger(first_sample(layout.y, row), loaded);
  const int32_t fresh = larger(end_sample(layout.y, row + rows - 1) - first, 0);
  int32_t extras = 0, extra = 0;
  if (folded && layout.y.extras > 0) {
    extra = extras_begin(row_folds, row / layout.y.tile);
    extras = extras_begin(row_folds, row / layout.y.tile + 1) - extra;
  }
  // An even number, so that no two warps share a sector.
  constexpr int32_t in_sector = Pack<Stored>::kInSector;
  const int32_t packs = ((place.n_slots << layout.inner_bits) + in_sector - 1) / in_sector * (in_sector / count);
  int32_t singles = 0, single = 0;
  if (folded && layout.x.extras > 0) {
    single = extras_begin(column_folds, place.column_tile);
    singles = (extras_begin(column_folds, place.column_tile + 1) - single) << layout.inner_bits;
  }
  for_pieces(fresh + extras, packs + singles, [&](int32_t line, int32_t piece) {
    const int32_t sample = first + line;
    if (line < fresh && !in_a_window(layout.y, sample)) return;
    const int32_t source =
        folded && line >= fresh ? extra_source(row_folds, extra + line - fresh) : source_of(layout.y, sample);
    const int32_t slot = line < fresh ? floor_mod(sample, layout.y.slots) : layout.y.slots + line - fresh;
    const int64_t row_elements = static_cast<int64_t>(layout.x.n_in) * layout.channels;
    const Stored* const from = plane + larger(source, 0) * row_elements;
    T* const to = samples + slot * layout.pitch;
    if (folded && piece >= packs) {
      const int32_t column = (piece - packs) >> layout.inner_bits;
      const int32_t channel = place.channel + (piece - packs) - (column << layout.inner_bits);
      const int32_t at = source < 0 ? -1 : extra_source(column_folds, single + column);
      to[(layout.x.slots << layout.inner_bits) + piece - packs] = sample_of<T>(layout, from, at, channel);
    } else if (source >= 0) {
      load_pack(layout, place, from, piece * count, to + piece * count);
    } else {
      const T zeros[count] = {};
      put(zeros, to + piece * count);
    }
  });
  loaded = larger(loaded, first + fresh);
}

// Calls f(where in the tile [rows, out_pitch] of outputs, where in the image's plane, channel) for this thread's share
// of `at_once` elements each.
template <class F>
SPECOPS_DEVICE void for_outputs(const Layout& layout, const Place& place, int32_t row, int32_t rows, int32_t at_once,
                                const F& f) {
  const int32_t width = (place.end_column - place.column) << layout.inner_bits;
  for_pieces(rows, (width + at_once - 1) / at_once, [&](int32_t line, int32_t piece) {
    const int32_t element = piece * at_once, column = element >> layout.inner_bits;
    const int32_t channel = place.channel + element - (column << layout.inner_bits);
    const int64_t pixel = static_cast<int64_t>(row + line) * layout.x.n_out + place.column + column;
    f(line * layout.out_pitch + element, pixel * layout.channels + channel, channel);
  });
}

template <class Stored, class T>
SPECOPS_DEVICE void store_outputs(const Layout& layout, const Place& place, int32_t row, int32_t rows, const T* outputs,
                                  Stored* plane) {
  constexpr int32_t count = Pack<Stored>::kCount;
  if (!layout.store_vectors) {
    for_outputs(layout, place, row, rows, 1, [&](int32_t in_tile, int64_t in_plane, int32_t channel) {
      if (channel < layout.channels) narrow(outputs[in_tile], plane[in_plane]);
    });
    return;
  }
  for_outputs(layout, place, row, rows, count, [&](int32_t in_tile, int64_t in_plane, int32_t channel) {
    if (channel >= layout.channels) return;
    Pack<Stored> pack;
    for (int32_t i = 0; i < count; i += Pack<T>::kCount) {
      const Pack<T> part = read_pack(outputs + in_tile + i);
      for (int32_t j = 0; j < Pack<T>::kCount; ++j) narrow(part.at[j], pack.at[i + j]);
    }
    write_pack(pack, plane + in_plane);
  });
}

// The other image of a derivative in the filter, which takes planes alone.
template <class Stored, class T>
SPECOPS_DEVICE void load_outputs(const Layout& layout, const Place& place, int32_t row, int32_t rows,
                                 const Stored* plane, T* outputs) {
  constexpr int32_t count = Pack<Stored>::kCount;
  if (!layout.store_vectors) {
    for_outputs(layout, place, row, rows, 1,
                [&](int32_t in_tile, int64_t in_plane, int32_t) { outputs[in_tile] = widened(plane[in_plane]); });
    return;
  }
  for_outputs(layout, place, row, rows, count, [&](int32_t in_tile, int64_t in_plane, int32_t) {
    const Pack<Stored> pack = read_pack(plane + in_plane);
    T values[count];
    for (int32_t i = 0; i < count; ++i) values[i] = widened(pack.at[i]);
    put(values, outputs + in_tile);
  });
}

}  // namespace specops::resample
