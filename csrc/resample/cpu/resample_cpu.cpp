#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "common/checks.h"
#include "common/scratch.h"
#include "resample/cpu/kernels.h"
#include "resample/cpu/operator.h"

namespace specops {
namespace {

using Axis = resample::Axis<int64_t>;

constexpr int64_t kPixelsPerTask = 16384;
constexpr int64_t kMostPartialSums = 64;
constexpr int64_t kLargeOutput = int64_t{1} << 24;  // bytes; half of the third-level cache that cores share

bool is_channels_last(const at::Tensor& x) {
  return x.dim() == 4 && !x.is_contiguous() && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

// Images as planes [H, W, inner] whose rows are contiguous; `held` where x is laid out otherwise.
class Planes2d {
 public:
  Planes2d(const at::Tensor& x, bool channels_last)
      : held_(channels_last || x.stride(-1) == 1 || x.size(-1) == 1 ? x : x.contiguous()),
        inner_(channels_last ? x.size(1) : 1),
        row_stride_(held_.stride(-2)),
        n_leading_(channels_last ? 1 : x.dim() - 2),
        count_(1) {
    for (int64_t d = 0; d < n_leading_; ++d) count_ *= held_.size(d);
  }

  int64_t count() const { return count_; }
  int64_t inner() const { return inner_; }
  int64_t row_stride() const { return row_stride_; }

  const void* plane(int64_t index) const {
    int64_t offset = 0;
    for (int64_t d = n_leading_ - 1; d >= 0; --d) {
      offset += index % held_.size(d) * held_.stride(d);
      index /= held_.size(d);
    }
    return static_cast<const char*>(held_.const_data_ptr()) + offset * held_.element_size();
  }

 private:
  at::Tensor held_;
  int64_t inner_, row_stride_, n_leading_, count_;
};

// What an Operator points to.
template <class T>
class OwnedOperator {
 public:
  OwnedOperator(const Axis& along_y, const Axis& along_x, bool transposed, const at::Tensor* taps, int64_t row_stride,
                int64_t inner)
      : rows_(resample::rows_of(along_y, transposed)), columns_(resample::columns_of(along_x, transposed)) {
    op_.rows = rows_.view();
    op_.columns = columns_.view();
    op_.inner = inner;
    op_.fh = along_y.n_taps;
    for (const resample::Term& term : rows_.terms) row_offsets_.push_back(term.source * row_stride);
    if (taps != nullptr) take_taps(taps->const_data_ptr<T>(), along_y.n_taps, along_x.n_taps);
    size_buffers(taps == nullptr);
    if (!row_weights_.empty() && inner == 1) {
      fused_ = resample::fused_of(columns_, transposed ? along_x.n_out : along_x.n_in, weights_,
                                  resample::kernels<T>().lanes);
      op_.fused = fused_.view();
    }
    op_.row_offsets = row_offsets_.data();
    op_.row_weights = row_weights_.empty() ? nullptr : row_weights_.data();
    op_.weights = weights_.data();
    op_.offsets = offsets_.data();
    op_.copies = copies_.data();
  }

  OwnedOperator(const OwnedOperator&) = delete;
  OwnedOperator& operator=(const OwnedOperator&) = delete;

  const resample::Operator<T>& view() const { return op_; }
  void write_past_caches() { op_.past_caches = true; }
  const std::vector<int64_t>& taps() const { return columns_.taps; }

 private:
  void take_taps(const T* taps, int64_t fh, int64_t fw) {
    std::vector<T> along_y, along_x;
    if (resample::factored(taps, fh, fw, along_y, along_x)) {
      for (const resample::Term& term : rows_.terms) row_weights_.push_back(along_y[term.tap]);
      fh = 1;
      taps = along_x.data();
    }
    for (int64_t i = 0; i < fh; ++i) {
      for (const int64_t tap : columns_.taps) weights_.push_back(taps[i * fw + tap]);
    }
  }

  void size_buffers(bool correlation) {
    const resample::Columns& columns = op_.columns;
    resample::Buffers& sizes = op_.buffers;
    constexpr int64_t lanes = resample::kWidestVector / sizeof(T), room = 2 * lanes;
    const auto with_room = [](int64_t n) { return (n + 2 * room - 1) / room * room; };
    const bool dealt = op_.inner == 1 && columns.stride > 1, separable = !row_weights_.empty();
    sizes.dealt_pitch = dealt ? with_room((columns.n_line + columns.stride - 1) / columns.stride) : 0;
    sizes.line = dealt ? with_room(columns.n_line + columns.stride * lanes) : 0;
    sizes.slot = dealt ? columns.stride * sizes.dealt_pitch : with_room(columns.n_line * op_.inner);
    sizes.out_pitch = with_room(columns.n_out * op_.inner + columns.phases * lanes);
    sizes.slots = separable ? resample::kStages : op_.rows.longest;
    sizes.phase_pitch = with_room((columns.n_out + columns.phases - 1) / columns.phases);
    sizes.phase = columns.phases * sizes.phase_pitch;
    sizes.out = resample::kStages * sizes.out_pitch;
    sizes.lanes = correlation ? op_.fh * columns.n_taps * lanes : 0;
    const int64_t pixels = sizes.slots * sizes.slot + sizes.line + sizes.phase + sizes.out + sizes.lanes;
    sizes.pixel_bytes = pixels * static_cast<int64_t>(sizeof(T));
    const int64_t n_sums = sizes.slots * columns.n_taps;
    constexpr int64_t pair_bytes = 4 * sizeof(int64_t);  // at most
    sizes.bytes = sizes.pixel_bytes +
                  (3 * sizes.slots + columns.phases + n_sums) * static_cast<int64_t>(sizeof(int64_t)) +
                  n_sums * (static_cast<int64_t>(sizeof(T)) + pair_bytes);
    const auto place = [&](int64_t sample) {
      return dealt ? sample % columns.stride * sizes.dealt_pitch + sample / columns.stride : sample * op_.inner;
    };
    for (const int64_t shift : columns_.shifts) offsets_.push_back(place(shift));
    for (const resample::Move& copy : columns_.copies) copies_.push_back({place(copy.to), place(copy.from)});
  }

  resample::RowsOwner rows_;
  resample::ColumnsOwner columns_;
  std::vector<int64_t> row_offsets_, offsets_;
  std::vector<resample::Move> copies_;
  std::vector<T> row_weights_, weights_;
  resample::FusedOwner<T> fused_;
  resample::Operator<T> op_ = {};
};

resample::Boundary boundary_of(std::string_view name) {
  if (name == "zeros") return resample::Boundary::kZeros;
  if (name == "reflect") return resample::Boundary::kReflect;
  if (name == "replicate") return resample::Boundary::kReplicate;
  TORCH_CHECK_VALUE(name == "circular", "boundary must be zeros, reflect, replicate or circular; got ", name);
  return resample::Boundary::kCircular;
}

// The axes of upfirdn2d on images [..., size] with a filter of these taps, along y and along x.
std::pair<Axis, Axis> axes_of(at::IntArrayRef size, at::IntArrayRef taps_size, at::IntArrayRef up, at::IntArrayRef down,
                              at::IntArrayRef padding, std::string_view boundary) {
  TORCH_CHECK_VALUE(up.size() == 2 && down.size() == 2 && std::min({up[0], up[1], down[0], down[1]}) >= 1,
                    "up and down must be two factors (x, y) >= 1; got ", up, " and ", down);
  TORCH_CHECK_VALUE(padding.size() == 4, "padding must be (x0, x1, y0, y1); got ", padding);
  TORCH_CHECK_VALUE(
      size.size() == 2 && taps_size.size() == 2 && std::min({size[0], size[1], taps_size[0], taps_size[1]}) >= 1,
      "sizes and taps must be two numbers >= 1; got ", size, " and ", taps_size);
  const resample::Boundary kind = boundary_of(boundary);
  const auto axis = [&](int64_t n, int64_t n_taps, int64_t d) -> Axis {
    const int64_t padded = n * up[d] + padding[2 * d] + padding[2 * d + 1];
    TORCH_CHECK_VALUE(padded >= n_taps, "the filter is larger than the padded image: ", n_taps, " taps, ", padded,
                      " samples");
    return {n, (padded - n_taps) / down[d] + 1, n_taps, up[d], down[d], padding[2 * d], true, kind};
  };
  return {axis(size[0], taps_size[0], 1), axis(size[1], taps_size[1], 0)};
}

void check_taps(const at::Tensor& x, const at::Tensor& taps) {
  TORCH_CHECK_VALUE(taps.dim() == 2 && taps.numel() > 0 && taps.device().is_cpu(),
                    "taps must be [fh, fw] on the CPU; got ", taps.sizes(), " on ", taps.device());
  TORCH_CHECK_TYPE(taps.scalar_type() == compute_type(x.scalar_type()), "taps must be ", compute_type(x.scalar_type()),
                   " for images of ", x.scalar_type(), "; got ", taps.scalar_type());
}

void check_output(const at::Tensor& y, const Axis& along_y, const Axis& along_x) {
  TORCH_CHECK_VALUE(y.size(-2) == along_y.n_out && y.size(-1) == along_x.n_out, "y must be [..., ", along_y.n_out, ", ",
                    along_x.n_out, "]; got ", y.sizes());
}

// Calls f(plane, first, last) for the rows of each plane among rows [begin, end) of planes one after the other.
template <class F>
void for_rows(int64_t begin, int64_t end, int64_t n_rows, const F& f) {
  while (begin < end) {
    const int64_t plane = begin / n_rows, first = begin - plane * n_rows, last = std::min(n_rows, first + end - begin);
    f(plane, first, last);
    begin += last - first;
  }
}

// Whether an output does not stay in the caches, and its rows are whole cache lines of numbers as they are computed.
bool is_large(const at::Tensor& out) {
  constexpr int64_t kCacheLine = 64;
  const int64_t row_bytes = out.size(-1) * out.element_size();
  return out.numel() * out.element_size() >= kLargeOutput && out.element_size() >= 4 && row_bytes % kCacheLine == 0 &&
         reinterpret_cast<uintptr_t>(out.const_data_ptr()) % kCacheLine == 0;
}

template <class T>
void resample_images(const at::Tensor& x, const at::Tensor& taps, const Axis& along_y, const Axis& along_x,
                     bool transposed, at::Tensor& out) {
  const bool channels_last = is_channels_last(x);
  const Planes2d planes(x, channels_last);
  OwnedOperator<T> owned(along_y, along_x, transposed, &taps, planes.row_stride(), planes.inner());
  if (is_large(out)) owned.write_past_caches();
  const resample::Operator<T>& op = owned.view();
  const int64_t n_rows = out.size(-2), row_bytes = out.size(-1) * planes.inner() * out.element_size();
  const int64_t work = std::max(op.columns.n_line, op.columns.n_out) * planes.inner();
  const Pixel type = pixel_type(x.scalar_type());
  char* pixels = static_cast<char*>(out.mutable_data_ptr());
  const int64_t grain = std::max<int64_t>(1, kPixelsPerTask / std::max<int64_t>(1, work));
  at::parallel_for(0, planes.count() * n_rows, grain, [&](int64_t begin, int64_t end) {
    const ThreadScratch scratch(op.buffers.bytes);
    for_rows(begin, end, n_rows, [&](int64_t plane, int64_t first, int64_t last) {
      resample::kernels<T>().rows(op, type, planes.plane(plane), first, last, pixels + plane * n_rows * row_bytes,
                                  scratch.memory());
    });
  });
}

// The additions are in one order for any number of threads: rows of one plane, planes of one group, groups.
template <class T>
void correlate_images(const at::Tensor& x, const at::Tensor& y, const Axis& along_y, const Axis& along_x,
                      at::Tensor& out) {
  const Planes2d xs(x, false), ys(y, false);
  const OwnedOperator<T> owned(along_y, along_x, false, nullptr, xs.row_stride(), 1);
  const resample::Operator<T>& op = owned.view();
  const int64_t n_rows = along_y.n_out, n_sums = along_y.n_taps * op.columns.n_taps, total = xs.count() * n_rows;
  const int64_t groups = std::min(total, kMostPartialSums);
  const Pixel type = pixel_type(x.scalar_type());
  std::vector<double> sums(groups * n_sums, 0.0);
  at::parallel_for(0, groups, 1, [&](int64_t begin_group, int64_t end_group) {
    const ThreadScratch scratch(op.buffers.bytes);
    for (int64_t group = begin_group; group < end_group; ++group) {
      const int64_t begin = total / groups * group + std::min(group, total % groups);
      const int64_t end = total / groups * (group + 1) + std::min(group + 1, total % groups);
      for_rows(begin, end, n_rows, [&](int64_t plane, int64_t first, int64_t last) {
        resample::kernels<T>().correlate(op, type, xs.plane(plane), ys.plane(plane), ys.row_stride(), first, last,
                                         sums.data() + group * n_sums, scratch.memory());
      });
    }
  });
  for (int64_t group = 1; group < groups; ++group) {
    for (int64_t i = 0; i < n_sums; ++i) sums[i] += sums[group * n_sums + i];
  }
  T* to = out.mutable_data_ptr<T>();
  for (int64_t i = 0; i < n_sums; ++i) {
    to[i / op.columns.n_taps * along_x.n_taps + owned.taps()[i % op.columns.n_taps]] = static_cast<T>(sums[i]);
  }
}

at::Tensor resampled(const at::Tensor& x, const at::Tensor& taps, const Axis& along_y, const Axis& along_x,
                     bool transposed) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape[x.dim() - 2] = transposed ? along_y.n_in : along_y.n_out;
  shape[x.dim() - 1] = transposed ? along_x.n_in : along_x.n_out;
  const auto format = is_channels_last(x) ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  at::Tensor out = at::empty(shape, x.options(), format);
  if (out.numel() == 0) return out;
  const at::Tensor taps_c = taps.contiguous();
  for_real(taps_c.scalar_type() == at::kDouble,
           [&](auto zero) { resample_images<decltype(zero)>(x, taps_c, along_y, along_x, transposed, out); });
  return out;
}

// up, down as (x, y); padding as (x0, x1, y0, y1); see specops/ops/resample/contract.py.
at::Tensor upfirdn2d_cpu(const at::Tensor& x, const at::Tensor& taps, at::IntArrayRef up, at::IntArrayRef down,
                         at::IntArrayRef padding, std::string_view boundary) {
  check_image("x", x);
  check_taps(x, taps);
  const auto [along_y, along_x] = axes_of(x.sizes().slice(x.dim() - 2), taps.sizes(), up, down, padding, boundary);
  return resampled(x, taps, along_y, along_x, false);
}

at::Tensor upfirdn2d_transpose_cpu(const at::Tensor& y, const at::Tensor& taps, at::IntArrayRef up,
                                   at::IntArrayRef down, at::IntArrayRef padding, std::string_view boundary,
                                   at::IntArrayRef size) {
  check_image("y", y);
  check_taps(y, taps);
  const auto [along_y, along_x] = axes_of(size, taps.sizes(), up, down, padding, boundary);
  check_output(y, along_y, along_x);
  return resampled(y, taps, along_y, along_x, true);
}

at::Tensor upfirdn2d_filter_correlation_cpu(const at::Tensor& x, const at::Tensor& y, at::IntArrayRef up,
                                            at::IntArrayRef down, at::IntArrayRef padding, std::string_view boundary,
                                            at::IntArrayRef taps_size) {
  check_image("x", x);
  check_image("y", y);
  TORCH_CHECK_VALUE(
      x.scalar_type() == y.scalar_type() && x.sizes().slice(0, x.dim() - 2) == y.sizes().slice(0, y.dim() - 2),
      "x and y must have one dtype and batch; got ", x.sizes(), " ", x.scalar_type(), " and ", y.sizes(), " ",
      y.scalar_type());
  const auto [along_y, along_x] = axes_of(x.sizes().slice(x.dim() - 2), taps_size, up, down, padding, boundary);
  check_output(y, along_y, along_x);
  at::Tensor out = at::zeros(taps_size, x.options().dtype(compute_type(x.scalar_type())));
  if (x.numel() == 0) return out;
  for_real(out.scalar_type() == at::kDouble, [&, along_y = along_y, along_x = along_x](auto zero) {
    correlate_images<decltype(zero)>(x, y, along_y, along_x, out);
  });
  return out;
}

}  // namespace
}  // namespace specops

TORCH_LIBRARY_FRAGMENT(specops_native, m) {
  const auto define = [&m](const char* schema, auto* kernel) { m.def(schema, torch::dispatch(c10::kCPU, kernel)); };
  define("upfirdn2d(Tensor x, Tensor taps, int[] up, int[] down, int[] padding, str boundary) -> Tensor",
         specops::upfirdn2d_cpu);
  define(
      "upfirdn2d_transpose(Tensor y, Tensor taps, int[] up, int[] down, int[] padding, str boundary, int[] size) "
      "-> Tensor",
      specops::upfirdn2d_transpose_cpu);
  define(
      "upfirdn2d_filter_correlation(Tensor x, Tensor y, int[] up, int[] down, int[] padding, str boundary, "
      "int[] taps_size) -> Tensor",
      specops::upfirdn2d_filter_correlation_cpu);
}
