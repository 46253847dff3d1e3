#pragma once

#include "fft/stockham.h"
#include "simd/pixels.h"
#include "spectral/cpu/sums.h"

// Columns of a plane of real pixels to the lines ky = 0..H/2 of its half spectrum, and back. L neighbouring columns are
// transformed at once, one per lane, and L more of the same plane as their imaginary parts.
namespace specops::SPECOPS_ISA {

template <class T>
struct Workspace {
  const spectral::PlanePlan<T>& plan;
  Buffers<T> buffers;
  Complex<Vec<T>>* held;
  T* row_zero[2];
  T *tile, *other_tile;
  T* values;
  LongSum<T>* totals;
  Complex<Vec<T>>* lines[2];

  Workspace(const spectral::PlanePlan<T>& plan_, char* scratch) : plan(plan_) {
    const spectral::Scratch& at = plan.scratch;
    for (int i = 0; i < 2; ++i) {
      buffers.at[i] = reinterpret_cast<Complex<Vec<T>>*>(scratch + at.buffers[i]);
      row_zero[i] = reinterpret_cast<T*>(scratch + at.row_zero[i]);
      lines[i] = reinterpret_cast<Complex<Vec<T>>*>(scratch + at.lines[i]);
    }
    buffers.chirped = reinterpret_cast<Complex<Vec<T>>*>(scratch + at.chirped);
    held = reinterpret_cast<Complex<Vec<T>>*>(scratch + at.held);
    tile = reinterpret_cast<T*>(scratch + at.tile);
    other_tile = reinterpret_cast<T*>(scratch + at.other_tile);
    values = reinterpret_cast<T*>(scratch + at.values);
    totals = reinterpret_cast<LongSum<T>*>(scratch + at.totals);
  }
};

template <class T, class Pixels>
struct RealColumns {
  const typename Pixels::Stored* first;
  const typename Pixels::Stored* second;
  int64_t stride;
  int64_t ahead;  // from `first` to what will be read next: a stride of rows hides it from the hardware
  SPECOPS_MEMBER Complex<Vec<T>> operator()(int64_t y) const {
    __builtin_prefetch(first + y * stride + ahead);
    if (kLanes<T> * sizeof(*second) >= 64) __builtin_prefetch(second + y * stride + ahead);
    return {read_pixels<Pixels, T>(first + y * stride, 1, kLanes<T>),
            read_pixels<Pixels, T>(second + y * stride, 1, kLanes<T>)};
  }
};

// Columns times slopes, which come in rows of `width`.
template <class T, class Columns>
struct SlopedColumns {
  Columns columns;
  const int8_t* first;
  const int8_t* second;
  int64_t width;
  SPECOPS_MEMBER Complex<Vec<T>> operator()(int64_t y) const {
    const Complex<Vec<T>> z = columns(y);
    return {z.re * read_slopes<T>(first + y * width), z.im * read_slopes<T>(second + y * width)};
  }
};

// Takes the result of an inverse transform, parts transposed.
template <class T, class Pixels>
struct ToRealColumns {
  typename Pixels::Stored* first;
  typename Pixels::Stored* second;
  int64_t stride;
  SPECOPS_MEMBER void operator()(int64_t y, Complex<Vec<T>> z) const {
    write_pixels<Pixels, T>(first + y * stride, kLanes<T>, z.im);
    write_pixels<Pixels, T>(second + y * stride, kLanes<T>, z.re);
  }
};

// The i-th pair of vectors of columns. The last vector overlaps its neighbour rather than cross the edge, and is its
// own partner where their number is odd: columns are then computed twice, never read or written outside of the plane.
template <class T>
SPECOPS_INLINE ColumnPair column_pair(int64_t i, int64_t width) {
  constexpr int64_t L = kLanes<T>;
  if (width <= L) return {0, 0, width};
  const int64_t first = 2 * i * L < width - L ? 2 * i * L : width - L;
  const int64_t second = (2 * i + 1) * L < width - L ? (2 * i + 1) * L : width - L;
  return {first, second, L};
}

template <class T>
SPECOPS_INLINE int64_t n_column_pairs(int64_t width) {
  return (width + 2 * kLanes<T> - 1) / (2 * kLanes<T>);
}

// A part of complex vectors: its real or its imaginary one.
template <class T>
using PartOf = Vec<T> Complex<Vec<T>>::*;

// The lines [begin, begin + L) of transforms z of columns, lanes turned from columns to lines: a part of what
// split(here, mirrored) makes of z, one at a time, which stays in registers; `first` in the place of line 0, if it is a
// pair.
template <class T, class Split>
SPECOPS_INLINE void turn_lanes(const spectral::Layout& layout, const Complex<Vec<T>>* z, int64_t begin, Split split,
                               PartOf<T> part, Vec<T> first, Complex<Vec<T>>* to) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> turned[L];
  for (int64_t lane = 0; lane < L; ++lane) {
    const int64_t ky = begin + lane < layout.lines ? begin + lane : layout.lines - 1;
    turned[lane] = split(z[ky], z[ky == 0 ? 0 : layout.height - ky]).*part;
  }
  if (begin == 0 && layout.paired) turned[0] = first;
  transpose<T>(turned);
  for (int64_t i = 0; i < L; ++i) to[i].*part = turned[i];
}

// z [H]: transforms of a pair of columns -> their lines.
template <class T>
static void split_columns(const spectral::Layout& layout, const Complex<Vec<T>>* z, ColumnPair columns,
                          Complex<Vec<T>>* lines) {
  using Z = Complex<Vec<T>>;
  const Z &zero = z[0], &middle = z[layout.height / 2];
  const auto one = [](const Z& here, const Z& mirrored) { return twice_first(here, mirrored); };
  const auto other = [](const Z& here, const Z& mirrored) { return twice_second(here, mirrored); };
  for (int64_t group = 0; group < layout.groups; ++group) {
    const int64_t begin = group * kLanes<T>;
    Z* first = lines + group * layout.pitch + columns.first;
    Z* second = lines + group * layout.pitch + columns.second;
    turn_lanes<T>(layout, z, begin, one, &Z::re, zero.re, first);
    turn_lanes<T>(layout, z, begin, one, &Z::im, middle.re, first);
    turn_lanes<T>(layout, z, begin, other, &Z::re, zero.im, second);
    turn_lanes<T>(layout, z, begin, other, &Z::im, middle.im, second);
  }
}

// A part of L columns of a group of lines, lanes turned from lines to columns.
template <class T>
SPECOPS_INLINE void turn_back(const Complex<Vec<T>>* columns, PartOf<T> part, Vec<T>* turned) {
  for (int64_t i = 0; i < kLanes<T>; ++i) turned[i] = columns[i].*part;
  transpose<T>(turned);
}

// The way back, from lines to z, all with transposed parts: first all that the real parts of the transforms of the
// first columns and the imaginary ones of the second go into, then the rest.
template <class T>
static void join_columns(const spectral::Layout& layout, const Complex<Vec<T>>* lines, ColumnPair columns,
                         Complex<Vec<T>>* z) {
  constexpr int64_t L = kLanes<T>;
  const int64_t H = layout.height;
  const Vec<T> none = {};
  for (int64_t group = 0; group < layout.groups; ++group) {
    const Complex<Vec<T>>* first = lines + group * layout.pitch + columns.first;
    const Complex<Vec<T>>* second = lines + group * layout.pitch + columns.second;
    const int64_t in_group = layout.lines - group * L < L ? layout.lines - group * L : L;
    Vec<T> a[L], b[L];
    turn_back<T>(first, &Complex<Vec<T>>::im, a);
    turn_back<T>(second, &Complex<Vec<T>>::re, b);
    for (int64_t lane = 0, ky = group * L; lane < in_group; ++lane, ++ky) {
      const Complex<Vec<T>> real = {a[lane], none}, imaginary = {none, b[lane]};
      z[ky].im = joined(real, imaginary).re;
      if (ky > 0) z[H - ky].im = joined_mirrored(real, imaginary).re;
    }
    if (group == 0) z[0].im = a[0];
    if (group == 0 && layout.paired) z[H / 2].re = b[0];
    turn_back<T>(first, &Complex<Vec<T>>::re, a);
    turn_back<T>(second, &Complex<Vec<T>>::im, b);
    for (int64_t lane = 0, ky = group * L; lane < in_group; ++lane, ++ky) {
      const Complex<Vec<T>> imaginary = {none, a[lane]}, real = {b[lane], none};
      z[ky].re = joined(imaginary, real).im;
      if (ky > 0) z[H - ky].re = joined_mirrored(imaginary, real).im;
    }
    if (group == 0) z[0].re = b[0];
    if (group == 0 && layout.paired) z[H / 2].im = a[0];
  }
}

// Both sides of a tile times their slopes, which come in rows of `width`.
template <class T>
static void multiply_tile(const int8_t* slope, int64_t height, int64_t width, ColumnPair columns, T* tile) {
  for (int64_t y = 0; y < height; ++y, tile += 2 * kLanes<T>, slope += width) {
    for (int64_t i = 0; i < columns.count; ++i) {
      tile[i] *= slope[columns.first + i];
      tile[kLanes<T> + i] *= slope[columns.second + i];
    }
  }
}

template <class T, class Pixels>
static void transform_columns_of(Workspace<T>& work, const Image& image, Complex<Vec<T>>* lines) {
  constexpr int64_t L = kLanes<T>;
  const spectral::Layout& layout = work.plan.layout;
  const bool in_place = image.column_stride == 1 && layout.width >= L;
  const auto* pixels = static_cast<const typename Pixels::Stored*>(image.pixels);
  Complex<Vec<T>>* z = free_buffer(work.plan.along_y, work.buffers);
  const int64_t n_pairs = n_column_pairs<T>(layout.width);
  for (int64_t i = 0; i < n_pairs; ++i) {
    const ColumnPair columns = column_pair<T>(i, layout.width);
    if (in_place) {
      const int64_t ahead = i + 1 < n_pairs ? 2 * L : image.to_next - columns.first;
      const RealColumns<T, Pixels> source = {pixels + columns.first, pixels + columns.second, image.row_stride, ahead};
      if (image.slope == nullptr) {
        transform(work.plan.along_y, work.buffers, source, ToBuffer<T>{z});
      } else {
        const SlopedColumns<T, RealColumns<T, Pixels>> sloped = {source, image.slope + columns.first,
                                                                 image.slope + columns.second, layout.width};
        transform(work.plan.along_y, work.buffers, sloped, ToBuffer<T>{z});
      }
    } else {
      read_tile<Pixels>(image, layout.height, columns, work.tile);
      if (image.slope != nullptr) multiply_tile<T>(image.slope, layout.height, layout.width, columns, work.tile);
      const RealColumns<T, RealPixels<T>> source = {work.tile, work.tile + L, 2 * L, 0};
      transform(work.plan.along_y, work.buffers, source, ToBuffer<T>{z});
    }
    split_columns<T>(layout, z, columns, lines);
  }
}

template <class T, class Pixels>
static void restore_columns_of(Workspace<T>& work, const Complex<Vec<T>>* lines, typename Pixels::Stored* out) {
  constexpr int64_t L = kLanes<T>;
  const spectral::Layout& layout = work.plan.layout;
  for (int64_t i = 0; i < n_column_pairs<T>(layout.width); ++i) {
    const ColumnPair columns = column_pair<T>(i, layout.width);
    join_columns<T>(layout, lines, columns, work.held);
    const FromBuffer<T> source = {work.held};
    if (layout.width >= L) {
      const ToRealColumns<T, Pixels> sink = {out + columns.first, out + columns.second, layout.width};
      transform(work.plan.along_y, work.buffers, source, sink);
    } else {
      const ToRealColumns<T, RealPixels<T>> sink = {work.tile, work.tile + L, 2 * L};
      transform(work.plan.along_y, work.buffers, source, sink);
      write_tile<Pixels>(work.tile, layout.height, layout.width, out);
    }
  }
}

template <class T>
static void transform_columns(Workspace<T>& work, const Image& image, Complex<Vec<T>>* lines) {
  for_pixels<T>(image.type, [&](auto pixels) { transform_columns_of<T, decltype(pixels)>(work, image, lines); });
}

template <class T>
static void restore_columns(Workspace<T>& work, const Complex<Vec<T>>* lines, Pixel type, void* out) {
  for_pixels<T>(type, [&](auto pixels) {
    restore_columns_of<T, decltype(pixels)>(work, lines, static_cast<typename decltype(pixels)::Stored*>(out));
  });
}

}  // namespace specops::SPECOPS_ISA
