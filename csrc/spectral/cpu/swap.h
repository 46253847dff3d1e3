#pragma once

#include "spectral/cpu/kernels.h"
#include "spectral/cpu/lines.h"

// The clipped band swap of one plane: the filter of a - b, its prologue where columns are read and its epilogue where
// they are written.
namespace specops::SPECOPS_ISA {

template <class T>
struct ConstantColumns {
  T value;
  SPECOPS_MEMBER Complex<Vec<T>> operator()(int64_t) const {
    const Vec<T> all = Vec<T>{} + value;
    return {all, all};
  }
};

template <class A, class B>
struct ColumnDifference {
  A a;
  B b;
  SPECOPS_MEMBER auto operator()(int64_t y) const { return a(y) - b(y); }
};

// Takes the result of an inverse transform, parts transposed; `count` columns of each vector are inside the image.
template <class T, class Pixels, class B>
struct ToSwappedColumns {
  B b;
  const spectral::Swapped<T>& out;
  ColumnPair columns;
  int64_t width;

  SPECOPS_MEMBER void operator()(int64_t y, Complex<Vec<T>> z) const {
    const Complex<Vec<T>> base = b(y);
    write(y * width + columns.first, z.im + base.re, base.re);
    write(y * width + columns.second, z.re + base.im, base.im);
  }

 private:
  SPECOPS_MEMBER void write(int64_t at, Vec<T> u, Vec<T> base) const {
    using Stored = typename Pixels::Stored;
    using Bytes = SignedBytes<T>;
    const Vec<T> low = Vec<T>{} + out.low, high = Vec<T>{} + out.high;
    const Vec<T> image = folded(u, low);
    const auto slope = ((u < low) - (u > low)) & (image <= high);
    const Bytes bytes = __builtin_convertvector(slope, Bytes);
    write_pixels<Pixels, T>(static_cast<Stored*>(out.swapped) + at, columns.count, clipped(image, high));
    write_first(out.slope + at, columns.count, bytes);
    if (out.kept == nullptr) return;
    write_pixels<Pixels, T>(static_cast<Stored*>(out.kept) + at, columns.count, clipped(folded(base, low), high));
  }
};

template <class T>
static void read_tile_of(const Image& image, int64_t height, ColumnPair columns, T* tile) {
  for_pixels<T>(image.type, [&](auto pixels) { read_tile<decltype(pixels)>(image, height, columns, tile); });
}

// Columns of images that can be read where they are.
template <class T, class Pixels>
struct ColumnsInPlace {
  const Image& image;
  int64_t width;
  RealColumns<T, Pixels> of(ColumnPair columns) const {
    const auto* pixels = static_cast<const typename Pixels::Stored*>(image.pixels);
    const bool last = columns.second + kLanes<T> >= width;
    const int64_t ahead = last ? image.to_next - columns.first : 2 * kLanes<T>;
    return {pixels + columns.first, pixels + columns.second, image.row_stride, ahead};
  }
};

template <class T>
struct ConstantImage {
  T value;
  ConstantColumns<T> of(ColumnPair) const { return {value}; }
};

// Columns of any image, by way of a tile.
template <class T>
struct ColumnsOfTile {
  const Image& image;
  int64_t height;
  T constant;
  T* tile;
  RealColumns<T, RealPixels<T>> of(ColumnPair columns) const {
    constexpr int64_t L = kLanes<T>;
    if (image.pixels != nullptr) {
      read_tile_of(image, height, columns, tile);
    } else {
      for (int64_t i = 0; i < 2 * L * height; ++i) tile[i] = constant;
    }
    return {tile, tile + L, 2 * L, 0};
  }
};

template <class T, class Pixels, class A, class B>
static void swap_columns(Workspace<T>& work, A a, B b, const T* gains, const spectral::Swapped<T>& out) {
  const spectral::Layout& layout = work.plan.layout;
  Complex<Vec<T>>* lines = work.lines[0];
  Complex<Vec<T>>* z = free_buffer(work.plan.along_y, work.buffers);
  for (int64_t i = 0; i < n_column_pairs<T>(layout.width); ++i) {
    const ColumnPair columns = column_pair<T>(i, layout.width);
    const auto first = a.of(columns);
    const auto second = b.of(columns);
    const ColumnDifference<decltype(a.of(columns)), decltype(b.of(columns))> source = {first, second};
    transform(work.plan.along_y, work.buffers, source, ToBuffer<T>{z});
    split_columns<T>(layout, z, columns, lines);
  }
  filter_lines(work, kUnscaled<T>, gains, lines);
  for (int64_t i = 0; i < n_column_pairs<T>(layout.width); ++i) {
    const ColumnPair columns = column_pair<T>(i, layout.width);
    join_columns<T>(layout, lines, columns, work.held);
    const ToSwappedColumns<T, Pixels, decltype(b.of(columns))> sink = {b.of(columns), out, columns, layout.width};
    transform(work.plan.along_y, work.buffers, FromBuffer<T>{work.held}, sink);
  }
}

template <class T, class Pixels>
static void swap_plane_of(Workspace<T>& work, const Image& a, const Image& b, const T* gains,
                          const spectral::Swapped<T>& out) {
  const spectral::Layout& layout = work.plan.layout;
  const auto in_place = [&](const Image& image) {
    return image.type == out.type && image.column_stride == 1 && layout.width >= kLanes<T>;
  };
  if (in_place(a) && b.pixels == nullptr) {
    swap_columns<T, Pixels>(work, ColumnsInPlace<T, Pixels>{a, layout.width}, ConstantImage<T>{out.constant}, gains,
                            out);
  } else if (in_place(a) && in_place(b)) {
    swap_columns<T, Pixels>(work, ColumnsInPlace<T, Pixels>{a, layout.width},
                            ColumnsInPlace<T, Pixels>{b, layout.width}, gains, out);
  } else {
    const ColumnsOfTile<T> any_a = {a, layout.height, out.constant, work.tile};
    const ColumnsOfTile<T> any_b = {b, layout.height, out.constant, work.other_tile};
    swap_columns<T, Pixels>(work, any_a, any_b, gains, out);
  }
}

template <class T>
static void swap_plane(const spectral::PlanePlan<T>& plan, const Image& a, const Image& b, const T* gains,
                       const spectral::Swapped<T>& out, char* scratch) {
  Workspace<T> work(plan, scratch);
  for_pixels<T>(out.type, [&](auto pixels) { swap_plane_of<T, decltype(pixels)>(work, a, b, gains, out); });
}

}  // namespace specops::SPECOPS_ISA
