#include "resample/cpu/resample_cpu.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "common/checks.h"
#include "common/scratch.h"
#include "common/tensor.h"
#include "resample/cpu/kernels.h"
#include "resample/cpu/owned_operator.h"
#include "resample/memory_format.h"

namespace specops {
namespace {

using Axis = resample::Axis<int64_t>;

constexpr int64_t kPixelsPerTask = 16384;
constexpr int64_t kMostPartialSums = 64;
constexpr int64_t kLargeOutput = int64_t{1} << 24;  // bytes; half of the third-level cache that cores share

// Images as planes [H, W, inner] whose rows are contiguous; a copy where x is laid out otherwise.
class Planes2d {
 public:
  Planes2d(const Tensor& x, bool channels_last)
      : x_(x),
        copy_(channels_last || x.stride(-1) == 1 || x.size(-1) == 1 ? Tensor() : contiguous_copy(x)),
        inner_(channels_last ? x.size(1) : 1),
        row_stride_(held().stride(-2)),
        n_leading_(channels_last ? 1 : x.dim() - 2),
        count_(1) {
    for (int64_t d = 0; d < n_leading_; ++d) count_ *= held().size(d);
  }

  int64_t count() const { return count_; }
  int64_t inner() const { return inner_; }
  int64_t row_stride() const { return row_stride_; }

  const void* plane(int64_t index) const {
    int64_t offset = 0;
    for (int64_t d = n_leading_ - 1; d >= 0; --d) {
      offset += index % held().size(d) * held().stride(d);
      index /= held().size(d);
    }
    return held().data<char>() + offset * held().element_size();
  }

 private:
  const Tensor& held() const { return copy_.defined() ? copy_ : x_; }

  const Tensor& x_;
  Tensor copy_;
  int64_t inner_, row_stride_, n_leading_, count_;
};

resample::Boundary boundary_of(const std::string& name) {
  if (name == "zeros") return resample::Boundary::kZeros;
  if (name == "reflect") return resample::Boundary::kReflect;
  if (name == "replicate") return resample::Boundary::kReplicate;
  SPECOPS_CHECK_VALUE(name == "circular", "boundary must be zeros, reflect, replicate or circular; got ", name);
  return resample::Boundary::kCircular;
}

// How to sample: factors as (x, y), padding as (x0, x1, y0, y1); what the taps are multiplied by; and a size, of the
// image or of the filter, for the ops whose tensors do not tell it. See specops/ops/resample/contract.py.
struct Sampling {
  Ints up, down, padding;
  resample::Boundary boundary;
  double gain = 1;
  Ints size = {nullptr, 0};
};

// As the raw ops are told: all numbers in one tensor, the boundary's and the bits of the gain before the size. torch
// takes half a microsecond for each list or text.
Sampling sampling_of(const Tensor& numbers) {
  constexpr int64_t kBoundary = 8, kGain = 9, kNumbers = 10;
  SPECOPS_CHECK_TYPE(numbers.type() == ScalarType::kInt64 && numbers.is_cpu() && numbers.is_contiguous(),
                     "sampling must be contiguous int64 on the CPU; got ", numbers.type(), " on ", numbers.device());
  const int64_t count = numbers.numel(), *first = numbers.data<int64_t>();
  const bool fits = (count == kNumbers || count == kNumbers + 2) && first[kBoundary] >= 0 && first[kBoundary] < 4;
  SPECOPS_CHECK_VALUE(fits,
                      "sampling must be up, down, padding, a boundary 0 to 3, a gain, and two sides or none; got ",
                      Ints(first, count));
  double gain;
  std::memcpy(&gain, first + kGain, sizeof gain);
  return {{first, 2},     {first + 2, 2},
          {first + 4, 4}, static_cast<resample::Boundary>(first[kBoundary]),
          gain,           {first + kNumbers, count - kNumbers}};
}

// The axes of upfirdn2d on images [..., size] with a filter of these taps, along y and along x.
std::pair<Axis, Axis> axes_of(const Ints& size, const Ints& taps_size, const Sampling& sampling) {
  const auto& [up, down, padding, boundary, gain, _] = sampling;
  SPECOPS_CHECK_VALUE(up.size() == 2 && down.size() == 2 && std::min({up[0], up[1], down[0], down[1]}) >= 1,
                      "up and down must be two factors (x, y) >= 1; got ", up, " and ", down);
  SPECOPS_CHECK_VALUE(padding.size() == 4, "padding must be (x0, x1, y0, y1); got ", padding);
  SPECOPS_CHECK_VALUE(
      size.size() == 2 && taps_size.size() == 2 && std::min({size[0], size[1], taps_size[0], taps_size[1]}) >= 1,
      "sizes and taps must be two numbers >= 1; got ", size, " and ", taps_size);
  const auto axis = [&s = sampling](int64_t n, int64_t n_taps, int64_t d) -> Axis {
    const int64_t padded = n * s.up[d] + s.padding[2 * d] + s.padding[2 * d + 1];
    SPECOPS_CHECK_VALUE(padded >= n_taps, "the filter is larger than the padded image: ", n_taps, " taps, ", padded,
                        " samples");
    return {n, (padded - n_taps) / s.down[d] + 1, n_taps, s.up[d], s.down[d], s.padding[2 * d], true, s.boundary};
  };
  return {axis(size[0], taps_size[0], 1), axis(size[1], taps_size[1], 0)};
}

void check_taps(const Tensor& x, const Tensor& taps) {
  SPECOPS_CHECK_VALUE((taps.dim() == 1 || taps.dim() == 2) && taps.numel() > 0 && taps.is_cpu(),
                      "taps must be [fh, fw] or 1-D on the CPU; got ", taps.sizes(), " on ", taps.device());
  SPECOPS_CHECK_TYPE(taps.type() == compute_type(x.type()), "taps must be ", compute_type(x.type()), " for images of ",
                     x.type(), "; got ", taps.type());
}

void check_output(const Tensor& y, const Axis& along_y, const Axis& along_x) {
  SPECOPS_CHECK_VALUE(y.size(-2) == along_y.n_out && y.size(-1) == along_x.n_out, "y must be [..., ", along_y.n_out,
                      ", ", along_x.n_out, "]; got ", y.sizes());
}

// (fh, fw); 1-D taps are those along both axes.
std::vector<int64_t> filter_size(const Tensor& taps) { return {taps.size(0), taps.size(-1)}; }

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
bool is_large(const Tensor& out) {
  constexpr int64_t kCacheLine = 64;
  const int64_t row_bytes = out.size(-1) * out.element_size();
  return out.numel() * out.element_size() >= kLargeOutput && out.element_size() >= 4 && row_bytes % kCacheLine == 0 &&
         reinterpret_cast<uintptr_t>(out.data()) % kCacheLine == 0;
}

template <class T>
void resample_images(const Tensor& x, const resample::Taps<T>& taps, const Axis& along_y, const Axis& along_x,
                     bool transposed, Tensor& out) {
  const bool channels_last = is_channels_last(x);
  const Planes2d planes(x, channels_last);
  const auto owned =
      resample::cached_operator<T>(along_y, along_x, transposed, taps, planes.row_stride(), planes.inner());
  resample::Operator<T> op = owned->view();
  op.past_caches = is_large(out);
  const int64_t n_rows = out.size(-2), row_bytes = out.size(-1) * planes.inner() * out.element_size();
  const int64_t work = std::max(op.columns.n_line, op.columns.n_out) * planes.inner();
  const Pixel type = pixel_type(x.type());
  char* pixels = out.mutable_data<char>();
  const int64_t grain = std::max<int64_t>(1, kPixelsPerTask / std::max<int64_t>(1, work));
  parallel_for(0, planes.count() * n_rows, grain, [&](int64_t begin, int64_t end) {
    const ThreadScratch scratch(op.buffers.bytes);
    for_rows(begin, end, n_rows, [&](int64_t plane, int64_t first, int64_t last) {
      resample::kernels<T>().rows(op, type, planes.plane(plane), first, last, pixels + plane * n_rows * row_bytes,
                                  scratch.memory());
    });
  });
}

// The additions are in one order for any number of threads: rows of one plane, planes of one group, groups.
template <class T>
void correlate_images(const Tensor& x, const Tensor& y, const Axis& along_y, const Axis& along_x, Tensor& out) {
  const Planes2d xs(x, false), ys(y, false);
  const resample::OwnedOperator<T> owned(along_y, along_x, false, nullptr, xs.row_stride(), 1);
  const resample::Operator<T>& op = owned.view();
  const int64_t n_rows = along_y.n_out, n_sums = along_y.n_taps * op.columns.n_taps, total = xs.count() * n_rows;
  const int64_t groups = std::min(total, kMostPartialSums);
  const Pixel type = pixel_type(x.type());
  std::vector<double> sums(groups * n_sums, 0.0);
  parallel_for(0, groups, 1, [&](int64_t begin_group, int64_t end_group) {
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
  T* to = out.mutable_data<T>();
  for (int64_t i = 0; i < n_sums; ++i) {
    to[i / op.columns.n_taps * along_x.n_taps + owned.taps()[i % op.columns.n_taps]] = static_cast<T>(sums[i]);
  }
}

Tensor resampled(const Tensor& x, const Tensor& taps, double gain, const Axis& along_y, const Axis& along_x,
                 bool transposed) {
  std::vector<int64_t> shape = x.sizes().copy();
  shape[x.dim() - 2] = transposed ? along_y.n_in : along_y.n_out;
  shape[x.dim() - 1] = transposed ? along_x.n_in : along_x.n_out;
  Tensor out = empty_as(x, shape, cpu());
  if (out.numel() == 0) return out;
  const Contiguous taps_c(taps);
  for_real(taps.type() == ScalarType::kDouble, [&](auto zero) {
    using T = decltype(zero);
    const resample::Taps<T> given = {taps_c->data<T>(), taps.numel(), taps.dim() == 1, static_cast<T>(gain)};
    resample_images(x, given, along_y, along_x, transposed, out);
  });
  return out;
}

Tensor upfirdn2d(const Tensor& x, const Tensor& taps, const Sampling& sampling) {
  check_image("x", x);
  check_taps(x, taps);
  const auto [along_y, along_x] = axes_of(x.sizes().from(-2), filter_size(taps), sampling);
  return resampled(x, taps, sampling.gain, along_y, along_x, false);
}

Tensor upfirdn2d_transpose(const Tensor& y, const Tensor& taps, const Sampling& sampling) {
  check_image("y", y);
  check_taps(y, taps);
  const auto [along_y, along_x] = axes_of(sampling.size, filter_size(taps), sampling);
  check_output(y, along_y, along_x);
  return resampled(y, taps, sampling.gain, along_y, along_x, true);
}

Tensor upfirdn2d_filter_correlation(const Tensor& x, const Tensor& y, const Sampling& sampling) {
  check_image("x", x);
  check_image("y", y);
  SPECOPS_CHECK_VALUE(x.type() == y.type() && x.sizes().before(-2) == y.sizes().before(-2),
                      "x and y must have one dtype and batch; got ", x.sizes(), " ", x.type(), " and ", y.sizes(), " ",
                      y.type());
  const auto [along_y, along_x] = axes_of(x.sizes().from(-2), sampling.size, sampling);
  check_output(y, along_y, along_x);
  Tensor out = empty(sampling.size, compute_type(x.type()), cpu());
  std::memset(out.mutable_data(), 0, out.numel() * out.element_size());
  if (x.numel() == 0) return out;
  for_real(out.type() == ScalarType::kDouble, [&, along_y = along_y, along_x = along_x](auto zero) {
    correlate_images<decltype(zero)>(x, y, along_y, along_x, out);
  });
  return out;
}

using Function = Tensor (*)(const Tensor&, const Tensor&, const Sampling&);
using Numbers = std::vector<int64_t>;

Tensor upfirdn2d_of_lists(const Tensor& x, const Tensor& taps, const Numbers& up, const Numbers& down,
                          const Numbers& padding, const std::string& boundary, double gain) {
  return upfirdn2d(x, taps, {up, down, padding, boundary_of(boundary), gain});
}

Tensor transpose_of_lists(const Tensor& y, const Tensor& taps, const Numbers& up, const Numbers& down,
                          const Numbers& padding, const std::string& boundary, const Numbers& size, double gain) {
  return upfirdn2d_transpose(y, taps, {up, down, padding, boundary_of(boundary), gain, size});
}

Tensor correlation_of_lists(const Tensor& x, const Tensor& y, const Numbers& up, const Numbers& down,
                            const Numbers& padding, const std::string& boundary, const Numbers& taps_size) {
  return upfirdn2d_filter_correlation(x, y, {up, down, padding, boundary_of(boundary), 1, taps_size});
}

template <Function function>
Tensor of_tensor(const Tensor& first, const Tensor& second, const Tensor& sampling) {
  return function(first, second, sampling_of(sampling));
}

}  // namespace

std::vector<Op> resample_cpu_ops() {
  return {
      {"upfirdn2d(Tensor x, Tensor taps, int[] up, int[] down, SymInt[] padding, str boundary, float gain=1.) -> "
       "Tensor",
       boxed<upfirdn2d_of_lists>},
      {"upfirdn2d_transpose(Tensor y, Tensor taps, int[] up, int[] down, SymInt[] padding, str boundary, SymInt[] "
       "size, float gain=1.) -> Tensor",
       boxed<transpose_of_lists>},
      {"upfirdn2d_filter_correlation(Tensor x, Tensor y, int[] up, int[] down, SymInt[] padding, str boundary, "
       "SymInt[] taps_size) -> Tensor",
       boxed<correlation_of_lists>},
  };
}

std::vector<Op> resample_cpu_raw_ops() {
  return {
      {"upfirdn2d(Tensor x, Tensor taps, Tensor sampling) -> Tensor", boxed<of_tensor<upfirdn2d>>},
      {"upfirdn2d_transpose(Tensor y, Tensor taps, Tensor sampling) -> Tensor", boxed<of_tensor<upfirdn2d_transpose>>},
      {"upfirdn2d_filter_correlation(Tensor x, Tensor y, Tensor sampling) -> Tensor",
       boxed<of_tensor<upfirdn2d_filter_correlation>>},
  };
}

}  // namespace specops
