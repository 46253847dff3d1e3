#include <pybind11/pybind11.h>
#include <torch/library.h>
#include <torch/version.h>

#include <string>

#if defined(SPECOPS_CUDA_TARGETS)
#include "common/cuda/runtime_cuda.h"
#endif
#include "isa/engine.h"
#include "resample/cpu/resample_cpu.h"
#include "spectral/cpu/spectral_cpu.h"

TORCH_LIBRARY(specops_native, m) {
  m.def("binned_cross_spectrum(Tensor x, Tensor y, Tensor index, Tensor weight, int n_bins) -> Tensor");
  m.def("binned_filter(Tensor x, Tensor profile, Tensor index, Tensor weight) -> Tensor");
  m.def("binned_sloped_filter(Tensor x, Tensor profile, Tensor slope, Tensor index, Tensor weight) -> Tensor");
  m.def(
      "binned_scaled_power(Tensor x, Tensor index, Tensor weight, int n_bins, str scale, float factor, float eps) "
      "-> Tensor");
  m.def(
      "binned_scaled_filter(Tensor x, Tensor profile, Tensor index, Tensor weight, str scale, float factor, float eps) "
      "-> Tensor");
  m.def(
      "clipped_band_swap(Tensor a, Tensor b, Tensor profile, Tensor index, Tensor weight, float low, float high, "
      "bool keep) -> (Tensor, Tensor, Tensor)");
  m.def("upfirdn2d(Tensor x, Tensor taps, int[] up, int[] down, int[] padding, str boundary) -> Tensor");
  m.def(
      "upfirdn2d_transpose(Tensor y, Tensor taps, int[] up, int[] down, int[] padding, str boundary, int[] size) "
      "-> Tensor");
  m.def(
      "upfirdn2d_filter_correlation(Tensor x, Tensor y, int[] up, int[] down, int[] padding, str boundary, "
      "int[] taps_size) -> Tensor");
}

TORCH_LIBRARY_IMPL(specops_native, CPU, m) {
  m.impl("binned_cross_spectrum", specops::binned_cross_spectrum_cpu);
  m.impl("binned_filter", specops::binned_filter_cpu);
  m.impl("binned_sloped_filter", specops::binned_sloped_filter_cpu);
  m.impl("binned_scaled_power", specops::binned_scaled_power_cpu);
  m.impl("binned_scaled_filter", specops::binned_scaled_filter_cpu);
  m.impl("clipped_band_swap", specops::clipped_band_swap_cpu);
  m.impl("upfirdn2d", specops::upfirdn2d_cpu);
  m.impl("upfirdn2d_transpose", specops::upfirdn2d_transpose_cpu);
  m.impl("upfirdn2d_filter_correlation", specops::upfirdn2d_filter_correlation_cpu);
}

#define SPECOPS_TEXT(...) #__VA_ARGS__
#define SPECOPS_TEXT_OF(...) SPECOPS_TEXT(__VA_ARGS__)

namespace {

pybind11::dict build_info() {
  pybind11::list isas;
  for (const specops::Engine* const* at = specops::engines(); *at != nullptr; ++at) isas.append((*at)->name);
  pybind11::dict info;
#if defined(__clang__)
  std::string compiler = "clang " __clang_version__;
#else
  std::string compiler = "gcc " __VERSION__;
#endif
#if defined(__SANITIZE_ADDRESS__)
  compiler += ", with sanitizers,";
#endif
  info["compiler"] = compiler;
#if defined(SPECOPS_CUDA_TARGETS)
  info["cuda"] = SPECOPS_TEXT_OF(SPECOPS_CUDA_TARGETS);
#else
  info["cuda"] = "";
#endif
  info["torch"] = TORCH_VERSION;
  info["isas"] = isas;
  return info;
}

const char* cuda_missing() {
#if defined(SPECOPS_CUDA_TARGETS)
  return specops_cuda_missing();
#else
  return "this build has no CUDA kernels";
#endif
}

}  // namespace

PYBIND11_MODULE(_native, m) {
  m.doc() = "Compiled kernels of specops; registers torch.ops.specops_native.";
  m.def("build_info", &build_info, "Returns compiler, torch version, instruction sets and CUDA targets of this build.");
  m.def("cuda_missing", &cuda_missing, "Returns why the CUDA runtime in this build finds no device, or None.");
  m.def("isa", [] { return specops::engine().name; }, "Returns the instruction set in use.");
}
