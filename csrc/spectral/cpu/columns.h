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

// The lines [begin, begin + L) of a part(here, mirrored) of transforms z of columns, lanes turned from columns to
// lines; `first` in the place of line 0, if it is a pair. One part at a time stays in registers.
template <class T, class Part>
SPECOPS_INLINE void turn_lanes(const spectral::Layout& layout, const Complex<Vec<T>>* z, int64_t begin, Part part,
                               Vec<T> first, Vec<T>* turned) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t lane = 0; lane < L; ++lane) {
    const int64_t ky = begin + lane < layout.lines ? begin + lane : layout.lines - 1;
    turned[lane] = part(z[ky], z[ky == 0 ? 0 : layout.height - ky]);
  }
  if (begin == 0 && layout.paired) turned[0] = first;
  transpose<T>(turned);
}

// z [H]: transforms of a pair of columns -> their lines.
template <class T>
static void split_columns(const spectral::Layout& layout, const Complex<Vec<T>>* z, ColumnPair columns,
                          Complex<Vec<T>>* lines) {
  constexpr int64_t L = kLanes<T>;
  using Z = const Complex<Vec<T>>&;
  const Complex<Vec<T>>&zero = z[0], &middle = z[layout.height / 2];
  for (int64_t group = 0; group < layout.groups; ++group) {
    const int64_t begin = group * L;
    Complex<Vec<T>>*first = lines + group * layout.pitch + columns.first,
    *second = first + columns.second - columns.first;
    Vec<T> turned[L];
    turn_lanes<T>(layout, z, begin, [](Z here, Z other) { return twice_first(here, other).re; }, zero.re, turned);
    for (int64_t i = 0; i < L; ++i) first[i].re = turned[i];
    turn_lanes<T>(layout, z, begin, [](Z here, Z other) { return twice_first(here, other).im; }, middle.re, turned);
    for (int64_t i = 0; i < L; ++i) first[i].im = turned[i];
    turn_lanes<T>(layout, z, begin, [](Z here, Z other) { return twice_second(here, other).re; }, zero.im, turned);
    for (int64_t i = 0; i < L; ++i) second[i].re = turned[i];
    turn_lanes<T>(layout, z, begin, [](Z here, Z other) { return twice_second(here, other).im; }, middle.im, turned);
    for (int64_t i = 0; i < L; ++i) second[i].im = turned[i];
  }
}

// Elements of L columns of a group of lines, lanes turned from lines to columns.
template <class T, class Element>
SPECOPS_INLINE void turn_back(Element element, Vec<T>* turned) {
  for (int64_t i = 0; i < kLanes<T>; ++i) turned[i] = element(i);
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
    turn_back<T>([first](int64_t i) { return first[i].im; }, a);
    turn_back<T>([second](int64_t i) { return second[i].re; }, b);
    for (int64_t lane = 0, ky = group * L; lane < in_group; ++lane, ++ky) {
      const Complex<Vec<T>> real = {a[lane], none}, imaginary = {none, b[lane]};
      z[ky].im = joined(real, imaginary).re;
      if (ky > 0) z[H - ky].im = joined_mirrored(real, imaginary).re;
    }
    if (group == 0) z[0].im = a[0];
    if (group == 0 && layout.paired) z[H / 2].re = b[0];
    turn_back<T>([first](int64_t i) { return first[i].re; }, a);
    turn_back<T>([second](int64_t i) { return second[i].im; }, b);
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
  if constexpr (sizeof(T) == 4) {
    if (image.type == Pixel::kHalf) return transform_columns_of<T, HalfPixels>(work, image, lines);
    if (image.type == Pixel::kBfloat16) return transform_columns_of<T, Bfloat16Pixels>(work, image, lines);
  }
  return transform_columns_of<T, RealPixels<T>>(work, image, lines);
}

template <class T>
static void restore_columns(Workspace<T>& work, const Complex<Vec<T>>* lines, Pixel type, void* out) {
  if constexpr (sizeof(T) == 4) {
    auto* halves = static_cast<uint16_t*>(out);
    if (type == Pixel::kHalf) return restore_columns_of<T, HalfPixels>(work, lines, halves);
    if (type == Pixel::kBfloat16) return restore_columns_of<T, Bfloat16Pixels>(work, lines, halves);
  }
  return restore_columns_of<T, RealPixels<T>>(work, lines, static_cast<T*>(out));
}

}  // namespace specops::SPECOPS_ISA
