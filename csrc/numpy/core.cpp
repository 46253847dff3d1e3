#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/scratch.h"
#include "isa/engine.h"
#include "resample/cpu/operator.h"
#include "spectral/cpu/plans/plan_builder.h"

// What of the library needs no torch, on NumPy's arrays: for tests, fuzzing and benchmarks. One process calls the
// engines of all instruction sets.
namespace specops {
namespace {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T>
Array<T> array_of(const std::vector<T>& numbers) {
  return Array<T>(static_cast<py::ssize_t>(numbers.size()), numbers.data());
}

const Engine& engine_named(const std::string& isa) {
  for (const Engine* engine : engines()) {
    if (engine->name == isa && engine->runs_here()) return *engine;
  }
  throw py::value_error("isa must be one of isas(); got " + isa);
}

const spectral::Kernels<float>& spectral_kernels(const Engine& engine, float) { return engine.spectral_single; }
const spectral::Kernels<double>& spectral_kernels(const Engine& engine, double) { return engine.spectral_twice; }

Pixel pixel_of(const py::array& images) {
  const std::string kind = py::str(images.dtype());
  if (kind == "float16") return Pixel::kHalf;
  if (kind == "uint16") return Pixel::kBfloat16;
  if (kind == "float32") return Pixel::kFloat;
  if (kind == "float64") return Pixel::kDouble;
  throw py::type_error("images must be float16, uint16 (the bits of bfloat16), float32 or float64; got " + kind);
}

// Sums and filters of planes of one size.
template <class T>
class Plan {
 public:
  Plan(Array<int32_t> index, Array<T> weight, int64_t width, int64_t n_bins, const std::string& isa)
      : kernels_(spectral_kernels(engine_named(isa), T())) {
    if (index.ndim() != 3 || weight.ndim() != 3 || !std::equal(index.shape(), index.shape() + 3, weight.shape()) ||
        index.shape(0) < 1 || index.shape(2) != width / 2 + 1) {
      throw py::value_error("index and weight must be [M, H, W//2+1]");
    }
    const auto [least, most] = std::minmax_element(index.data(), index.data() + index.size());
    if (*least < -1 || *most >= n_bins) throw py::value_error("index must be -1 to n_bins - 1");
    if (!fft::serves(index.shape(1)) || !fft::serves(width))
      throw py::value_error("the engine does not serve this size");
    const spectral::Maps<T> maps = {index.data(), weight.data(), index.shape(1), width, n_bins, index.shape(0)};
    storage_ = spectral::build_plane_plan(maps, kernels_.parting.lanes);
    n_bins_ = n_bins;
  }

  Array<T> power(const py::array& x) const {
    return sums(
        x, [&](py::ssize_t i, T* out, char* scratch) { kernels_.power(plan(), kScaling, image(x, i), out, scratch); });
  }

  Array<T> cross(const py::array& x, const py::array& y) const {
    check(y);
    if (x.shape(0) != y.shape(0)) throw py::value_error("x and y must be as many images");
    return sums(x, [&](py::ssize_t i, T* out, char* scratch) {
      kernels_.cross(plan(), image(x, i), image(y, i), out, scratch);
    });
  }

  // All images by one profile [K]; in the type of x.
  py::array filter(const py::array& x, const Array<T>& profile) const {
    check(x);
    if (profile.ndim() != 1 || profile.shape(0) != n_bins_) throw py::value_error("profile must be [K]");
    py::array out(x.dtype(), std::vector<py::ssize_t>(x.shape(), x.shape() + 3));
    std::vector<T> gains(plan().gains.n_slots);
    const ThreadScratch scratch(plan().scratch.filter_bytes);
    kernels_.expand(plan(), profile.data(), gains.data(), scratch.memory());
    for (py::ssize_t i = 0; i < x.shape(0); ++i) {
      kernels_.filter(plan(), kScaling, image(x, i), gains.data(), pixel_of(x), out.mutable_data(i, 0, 0),
                      scratch.memory());
    }
    return out;
  }

  // Images that lie side by side, as many as vectors have lanes, made planes [lanes, H, W] of T.
  Array<T> parted(const py::array& x) const {
    check(x);
    const int64_t lanes = kernels_.parting.lanes;
    if (x.shape(0) != lanes || x.strides(0) != x.itemsize() || x.shape(2) < lanes) {
      throw py::value_error("images must be side by side, " + std::to_string(lanes) + " of them, no narrower");
    }
    Array<T> planes(std::vector<py::ssize_t>(x.shape(), x.shape() + 3));
    kernels_.parting.part(image(x, 0), x.shape(1), x.shape(2), planes.mutable_data());
    return planes;
  }

  int64_t lanes() const { return kernels_.parting.lanes; }

 private:
  static constexpr spectral::Scaling<T> kScaling = {{Scale::kPower, T(0.25), T(0)}, T(4)};

  const spectral::PlanePlan<T>& plan() const { return storage_->plan; }

  void check(const py::array& x) const {
    const spectral::Layout& layout = plan().layout;
    if (x.ndim() != 3 || x.shape(1) != layout.height || x.shape(2) != layout.width) {
      throw py::value_error("images must be [n, H, W] of the plan's size");
    }
    const bool wide = sizeof(T) == 8;
    if ((pixel_of(x) == Pixel::kDouble) != wide) throw py::type_error("images must be of the plan's precision");
  }

  static Image image(const py::array& x, py::ssize_t i) {
    const py::ssize_t item = x.itemsize();
    return {x.data(i, 0, 0), pixel_of(x), x.strides(1) / item, x.strides(2) / item, 0};
  }

  template <class F>
  Array<T> sums(const py::array& x, const F& f) const {
    check(x);
    Array<T> out({x.shape(0), static_cast<py::ssize_t>(n_bins_)});
    const ThreadScratch scratch(std::max(plan().scratch.power_bytes, plan().scratch.cross_bytes));
    for (py::ssize_t i = 0; i < x.shape(0); ++i) f(i, out.mutable_data(i, 0), scratch.memory());
    return out;
  }

  const spectral::Kernels<T>& kernels_;
  std::unique_ptr<const spectral::PlanePlanStorage<T>> storage_;
  int64_t n_bins_;
};

template <class T>
void bind_plan(py::module_& m, const char* name) {
  py::class_<Plan<T>>(m, name, "Sums and filters of planes [n, H, W] by the engine of one instruction set.")
      .def(py::init<Array<int32_t>, Array<T>, int64_t, int64_t, const std::string&>(), py::arg("index"),
           py::arg("weight"), py::arg("width"), py::arg("n_bins"), py::arg("isa"))
      .def_property_readonly("lanes", &Plan<T>::lanes)
      .def("power", &Plan<T>::power, "x [n, H, W] -> [n, K]: sums of weight |X|^2.")
      .def("cross", &Plan<T>::cross, "x, y [n, H, W] -> [n, K]: sums of weight Re(conj(X) Y).")
      .def("filter", &Plan<T>::filter, "x [n, H, W], profile [K] -> [n, H, W] in the type of x.")
      .def("parted", &Plan<T>::parted, "x [lanes, H, W] whose images are side by side -> planes one after the other.");
}

resample::Axis<int64_t> axis_of(const std::vector<int64_t>& fields) {
  if (fields.size() != 8) throw py::value_error("an axis has 8 fields");
  const auto boundary = static_cast<resample::Boundary>(fields[7]);
  return {fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], fields[6], boundary};
}

py::dict rows_of(const std::vector<int64_t>& axis, bool transposed) {
  const resample::RowsOwner rows = resample::rows_of(axis_of(axis), transposed);
  std::vector<int64_t> sources, taps, lags, counts;
  for (const auto& term : rows.terms) sources.push_back(term.source), taps.push_back(term.tap);
  for (const auto& shared : rows.shared) lags.push_back(shared.lag), counts.push_back(shared.count);
  using py::literals::operator""_a;
  return py::dict("ends"_a = array_of(rows.ends), "sources"_a = array_of(sources), "taps"_a = array_of(taps),
                  "lags"_a = array_of(lags), "counts"_a = array_of(counts), "longest"_a = rows.longest);
}

py::dict columns_of(const std::vector<int64_t>& axis, bool transposed) {
  const resample::ColumnsOwner owner = resample::columns_of(axis_of(axis), transposed);
  const resample::Columns columns = owner.view();
  std::vector<int64_t> to, from;
  for (const auto& copy : owner.copies) to.push_back(copy.to), from.push_back(copy.from);
  using py::literals::operator""_a;
  return py::dict("phases"_a = columns.phases, "stride"_a = columns.stride, "n_out"_a = columns.n_out,
                  "n_line"_a = columns.n_line, "read_begin"_a = columns.read_begin, "read_end"_a = columns.read_end,
                  "read_to"_a = columns.read_to, "ends"_a = array_of(owner.ends), "taps"_a = array_of(owner.taps),
                  "shifts"_a = array_of(owner.shifts), "folds"_a = array_of(owner.folds), "to"_a = array_of(to),
                  "from"_a = array_of(from));
}

}  // namespace
}  // namespace specops

PYBIND11_MODULE(specops_core, m) {
  using namespace specops;
  m.doc() = "What of specops' library needs no torch, on NumPy's arrays.";
  m.def(
      "isas",
      [] {
        std::vector<std::string> names;
        for (const Engine* engine : engines()) {
          if (engine->runs_here()) names.push_back(engine->name);
        }
        return names;
      },
      "Returns the instruction sets that this CPU has, best first.");
  bind_plan<float>(m, "SinglePlan");
  bind_plan<double>(m, "DoublePlan");
  m.def("rows_of", &rows_of, "fields of struct Axis, transposed -> the terms of each output, struct Rows.");
  m.def("columns_of", &columns_of, "fields of struct Axis, transposed -> struct Columns.");
}
