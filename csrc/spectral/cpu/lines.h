#pragma once

#include "spectral/cpu/columns.h"

// The ops for one plane: columns to lines, each line to its coefficients, which are binned, or multiplied by gains and
// taken back.
namespace specops::SPECOPS_ISA {

template <class T>
struct ToPower {
  T* values;
  SPECOPS_MEMBER void operator()(int64_t k, Complex<Vec<T>> z) const { store(values + k * kLanes<T>, power(z)); }
};

template <class T>
struct ToCross {
  const Complex<Vec<T>>* held;
  T* values;
  SPECOPS_MEMBER void operator()(int64_t k, Complex<Vec<T>> z) const {
    store(values + k * kLanes<T>, cross(held[k], z));
  }
};

// Writes coefficients with transposed parts, ready for the inverse.
template <class T>
struct ToGained {
  const T* gains;
  int64_t width, folded_from;
  Complex<Vec<T>>* to;
  SPECOPS_MEMBER void operator()(int64_t k, Complex<Vec<T>> z) const {
    const Vec<T> gain = load(gains + (k < folded_from ? k : width - k) * kLanes<T>);
    to[k] = {z.im * gain, z.re * gain};
  }
};

// The two real lines ky = 0 and ky = H/2 that travel as one: twice their coefficients at kx, or at kx, kx + 1, ..
template <class T>
struct RowPair {
  T *re, *im;  // [W + 1], the first again at the end, and room for a vector on both sides
  int64_t width;

  RowPair(T* room, int64_t width_) : re(room + kLanes<T>), im(re + width_ + 1 + 2 * kLanes<T>), width(width_) {}
  void close() { re[width] = re[0], im[width] = im[0]; }

  SPECOPS_MEMBER Complex<T> at(int64_t kx) const { return {re[kx], im[kx]}; }
  SPECOPS_MEMBER Complex<T> first(int64_t kx) const { return twice_first(at(kx), at(width - kx)); }
  SPECOPS_MEMBER Complex<T> second(int64_t kx) const { return twice_second(at(kx), at(width - kx)); }

  SPECOPS_MEMBER Complex<Vec<T>> from(int64_t kx) const { return {load(re + kx), load(im + kx)}; }
  SPECOPS_MEMBER Complex<Vec<T>> mirrored_from(int64_t kx) const {
    const int64_t last = width - kx - kLanes<T> + 1;
    return {reversed<T>(load(re + last)), reversed<T>(load(im + last))};
  }
  SPECOPS_MEMBER Complex<Vec<T>> first_from(int64_t kx) const { return twice_first(from(kx), mirrored_from(kx)); }
  SPECOPS_MEMBER Complex<Vec<T>> second_from(int64_t kx) const { return twice_second(from(kx), mirrored_from(kx)); }
};

// Keeps the coefficients of lane 0 beside what the sink does.
template <class T, class Sink>
struct KeepingLaneZero {
  Sink sink;
  RowPair<T> row;
  SPECOPS_MEMBER void operator()(int64_t k, Complex<Vec<T>> z) const {
    row.re[k] = z.re[0];
    row.im[k] = z.im[0];
    sink(k, z);
  }
};

template <class T, class Sink>
static void transform_line(Workspace<T>& work, int64_t group, const Complex<Vec<T>>* lines, Sink sink, T* row_zero) {
  const spectral::PlanePlan<T>& plan = work.plan;
  const FromBuffer<T> source = {lines + group * plan.layout.pitch};
  if (group == 0 && plan.layout.paired) {
    RowPair<T> row(row_zero, plan.layout.width);
    transform(plan.along_x, work.buffers, source, KeepingLaneZero<T, Sink>{sink, row});
    row.close();
  } else {
    transform(plan.along_x, work.buffers, source, sink);
  }
}

// values [group, W, lane] of one block: those of W - kx are added to those of kx.
template <class T>
static void fold(const spectral::Layout& layout, int64_t n_groups, T* values) {
  constexpr int64_t L = kLanes<T>;
  const int64_t W = layout.width;
  for (int64_t group = 0; group < n_groups; ++group, values += layout.pitch * L) {
    for (int64_t kx = 1; 2 * kx < W; ++kx) store(values + kx * L, load(values + kx * L) + load(values + (W - kx) * L));
  }
}

// The values of the lines ky = 0 and ky = H/2, a vector at a time.
template <class T>
static void finish_row_pair(Workspace<T>& work, T* x_row, T* y_row) {
  const spectral::SumPlan<T>& sums = work.plan.sums;
  const int64_t W = work.plan.layout.width;
  const RowPair<T> x(x_row, W), y(y_row, W);
  T* first = work.values + sums.row_slots[0];
  T* second = work.values + sums.row_slots[1];
  for (int64_t kx = 0; kx <= W / 2; kx += kLanes<T>) {
    store(first + kx, cross(x.first_from(kx), y.first_from(kx)));
    store(second + kx, cross(x.second_from(kx), y.second_from(kx)));
  }
}

// Writes the values of lines of x, and of y unless it is nullptr.
template <class T>
struct LineValues {
  Workspace<T>& work;
  const spectral::Scaling<T>& scaling;
  const Complex<Vec<T>>*x, *y;

  SPECOPS_MEMBER void operator()(int64_t block) const {
    const spectral::Layout& layout = work.plan.layout;
    const spectral::SumPlan<T>& sums = work.plan.sums;
    const int64_t begin = block * sums.groups_per_block, rest = layout.groups - begin;
    const int64_t n_groups = rest < sums.groups_per_block ? rest : sums.groups_per_block;
    for (int64_t i = 0; i < n_groups; ++i) {
      T* values = work.values + i * layout.pitch * kLanes<T>;
      if (y == nullptr) {
        transform_line(work, begin + i, x, ToPower<T>{values}, work.row_zero[0]);
      } else {
        transform_line(work, begin + i, x, ToBuffer<T>{work.held}, work.row_zero[0]);
        transform_line(work, begin + i, y, ToCross<T>{work.held, values}, work.row_zero[1]);
      }
    }
    scale(work.values, n_groups * layout.pitch * kLanes<T>);
    if (sums.folded) fold(layout, n_groups, work.values);
    if (block > 0 || !layout.paired) return;
    finish_row_pair(work, work.row_zero[0], work.row_zero[y == nullptr ? 0 : 1]);
    scale(work.values + sums.row_slots[0], sums.zero_slot - sums.row_slots[0]);
  }

 private:
  SPECOPS_MEMBER void scale(T* values, int64_t n) const {
    if (scaling.point.scale != Scale::kPower) scale_values(scaling, values, n, values);
  }
};

template <class T>
static void sum_lines(Workspace<T>& work, const spectral::Scaling<T>& scaling, const Complex<Vec<T>>* x,
                      const Complex<Vec<T>>* y, T* out) {
  sum_blocks(work.plan.sums, work.values, work.totals, out, LineValues<T>{work, scaling, x, y});
}

template <class T>
constexpr spectral::Scaling<T> kUnscaled = {{Scale::kPower, T(1), T(0)}, T(1)};

template <class T>
static void power_plane(const spectral::PlanePlan<T>& plan, const spectral::Scaling<T>& scaling, const Image& x, T* out,
                        char* scratch) {
  Workspace<T> work(plan, scratch);
  transform_columns(work, x, work.lines[0]);
  sum_lines<T>(work, scaling, work.lines[0], nullptr, out);
}

template <class T>
static void cross_plane(const spectral::PlanePlan<T>& plan, const Image& x, const Image& y, T* out, char* scratch) {
  Workspace<T> work(plan, scratch);
  transform_columns(work, x, work.lines[0]);
  transform_columns(work, y, work.lines[1]);
  sum_lines<T>(work, kUnscaled<T>, work.lines[0], work.lines[1], out);
}

template <class T>
static void expand_profile(const spectral::PlanePlan<T>& plan, const T* profile, T* gains, char* scratch) {
  const spectral::GainPlan<T>& map = plan.gains;
  T* padded = reinterpret_cast<T*>(scratch + plan.scratch.profile);
  for (int64_t k = 0; k < plan.sums.n_bins; ++k) padded[k] = profile[k];
  padded[plan.sums.n_bins] = T(0);
  for (int64_t i = 0; i < map.n_slots; ++i) gains[i] = map.weights[i] * padded[map.bins[i]];
  for (int64_t i = 0; i < map.n_extras; ++i)
    gains[map.extras[i].slot] += map.extras[i].weight * padded[map.extras[i].bin];
}

// z times its gain, and s' there.
template <class T, class V>
SPECOPS_INLINE Complex<V> gained(const spectral::Scaling<T>& scaling, Complex<V> z, V gain) {
  return scaled(z, scaling.point.scale == Scale::kPower ? gain : gain * scale_slope<Maths>(scaling.point, power(z)));
}

// Gives each of the lines ky = 0 and ky = H/2 its gains, and transposes the parts; they are lane 0 of the buffer.
template <class T>
static void gain_row_pair(Workspace<T>& work, const spectral::Scaling<T>& scaling, const T* gains,
                          Complex<Vec<T>>* line) {
  const int64_t W = work.plan.layout.width;
  const RowPair<T> pair(work.row_zero[0], W);
  const T* second_gains = gains + work.plan.gains.row_slots;
  for (int64_t kx = 0; 2 * kx <= W; ++kx) {
    const Complex<T> first = gained(scaling, pair.first(kx), gains[kx * kLanes<T>]);
    const Complex<T> second = gained(scaling, pair.second(kx), second_gains[kx]);
    const Complex<T> here = transposed_parts(joined(first, second));
    const Complex<T> mirrored = transposed_parts(joined_mirrored(first, second));
    line[kx].re[0] = here.re, line[kx].im[0] = here.im;
    const int64_t mirror = kx == 0 ? 0 : W - kx;
    if (mirror != kx) line[mirror].re[0] = mirrored.re, line[mirror].im[0] = mirrored.im;
  }
}

// Multiplies the coefficients of a group of lines by their gains and by s', and transposes their parts, ready for the
// inverse.
template <class T>
static void gain_by_scale_slopes(const spectral::Scaling<T>& scaling, const T* gains, int64_t columns, int64_t width,
                                 Complex<Vec<T>>* line) {
  for (int64_t k = 0; k < width; ++k) {
    const Vec<T> gain = load(gains + (k < columns ? k : width - k) * kLanes<T>);
    const Complex<Vec<T>> z = {line[k].re, line[k].im};
    line[k] = transposed_parts(gained(scaling, z, gain));
  }
}

template <class T>
SPECOPS_INLINE bool all_zero(const T* gains, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    if (gains[i] != T(0)) return false;
  }
  return true;
}

// Multiplies lines by gains, and by s' unless the scale is the power, and takes them back along x, parts transposed.
// Groups that have no gain are not transformed, as behind the radius of a low-pass; the first is, and spreads Inf and
// NaN.
template <class T>
static void filter_lines(Workspace<T>& work, const spectral::Scaling<T>& scaling, const T* gains,
                         Complex<Vec<T>>* lines) {
  const spectral::PlanePlan<T>& plan = work.plan;
  const spectral::Layout& layout = plan.layout;
  for (int64_t group = 0; group < layout.groups; ++group) {
    const T* group_gains = gains + group * plan.gains.columns * kLanes<T>;
    Complex<Vec<T>>* restored = lines + group * layout.pitch;
    if (group > 0 && scaling.point.scale == Scale::kPower && all_zero(group_gains, plan.gains.columns * kLanes<T>)) {
      for (int64_t k = 0; k < layout.width; ++k) restored[k] = {Vec<T>{}, Vec<T>{}};
      continue;
    }
    if (scaling.point.scale == Scale::kPower) {
      const ToGained<T> sink = {group_gains, layout.width, plan.gains.columns, work.held};
      transform_line(work, group, lines, sink, work.row_zero[0]);
    } else {
      transform_line(work, group, lines, ToBuffer<T>{work.held}, work.row_zero[0]);
      gain_by_scale_slopes(scaling, group_gains, plan.gains.columns, layout.width, work.held);
    }
    if (group == 0 && layout.paired) gain_row_pair(work, scaling, gains, work.held);
    transform(plan.along_x, work.buffers, FromBuffer<T>{work.held}, ToBuffer<T>{restored});
  }
}

template <class T>
static void filter_plane(const spectral::PlanePlan<T>& plan, const spectral::Scaling<T>& scaling, const Image& x,
                         const T* gains, Pixel out_type, void* out, char* scratch) {
  Workspace<T> work(plan, scratch);
  transform_columns(work, x, work.lines[0]);
  filter_lines(work, scaling, gains, work.lines[0]);
  restore_columns(work, work.lines[0], out_type, out);
}

}  // namespace specops::SPECOPS_ISA
