#include <pybind11/pybind11.h>
#include <torch/version.h>

#include <string>

#if defined(SPECOPS_CUDA_TARGETS)
#include "common/cuda/runtime_cuda.h"
#endif
#include "isa/engine.h"

namespace {

pybind11::dict build_info() {
  pybind11::list isas;
  for (const specops::Engine* engine : specops::engines()) isas.append(engine->name);
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
