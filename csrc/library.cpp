#include <string>
#include <vector>

#include "common/library.h"
#include "common/macros.h"
#include "isa/engine.h"
#include "resample/cpu/resample_cpu.h"
#include "spectral/cpu/spectral_cpu.h"

#if defined(SPECOPS_CUDA_TARGETS)
#include "resample/cuda/ops.h"
#include "spectral/cuda/ops.h"
#endif

// Registers the ops when the library is loaded, and tells of its build what specops.backends reads by ctypes.
#define SPECOPS_EXPORT extern "C" __attribute__((visibility("default")))

namespace specops {
namespace {

struct Registration {
  Library* chosen = nullptr;  // the CPU kernels of namespace specops, while it has them
  std::string error;
};

// Every schema stands in namespace specops, and in specops_native for the raw kernel. Both have the kernel: programs
// that were exported run without Python.
Registration register_ops() {
  Registration made;
  try {
    static Library schemas("specops"), raw_schemas("specops_native");
    static Library kernels("specops", "CPU"), raw_kernels("specops_native", "CPU");
    made.chosen = &kernels;
    for (const auto& ops : {spectral_cpu_ops(), resample_cpu_ops()}) {
      for (const Op& op : ops) {
        schemas.define(op.schema);
        kernels.implement(op);
      }
    }
    for (const auto& ops : {spectral_cpu_ops(), resample_cpu_raw_ops()}) {
      for (const Op& op : ops) {
        raw_schemas.define(op.schema);
        raw_kernels.implement(op);
      }
    }
#if defined(SPECOPS_CUDA_TARGETS)
    static Library raw_cuda_kernels("specops_native", "CUDA");
    for (const auto& ops : {spectral_cuda_ops(), around_fft_cuda_ops(), resample_cuda_ops()}) {
      for (const Op& op : ops) {
        raw_schemas.define(op.schema);
        raw_cuda_kernels.implement(op);
      }
    }
#endif
  } catch (const std::exception& error) {  // one that left the library while it is loaded would end the process
    made.error = error.what();
  }
  return made;
}

Registration registration = register_ops();

std::string build_info() {
#if defined(__clang__)
  std::string compiler = "clang " __clang_version__;
#else
  std::string compiler = "gcc " __VERSION__;
#endif
#if defined(__SANITIZE_ADDRESS__)
  compiler += ", with sanitizers,";
#endif
#if defined(SPECOPS_CUDA_TARGETS)
  const char* cuda = SPECOPS_TEXT_OF(SPECOPS_CUDA_TARGETS);
#else
  const char* cuda = "";
#endif
  std::string isas;
  for (const Engine* engine : engines()) isas += text(isas.empty() ? "\"" : ", \"", engine->name, "\"");
  return text("{\"compiler\": \"", compiler, "\", \"cuda\": \"", cuda, "\", \"isas\": [", isas, "]}");
}

}  // namespace
}  // namespace specops

// Compiler, CUDA targets and instruction sets of the build, as JSON.
SPECOPS_EXPORT const char* specops_build_info() {
  static const std::string info = specops::build_info();
  return info.c_str();
}

// The instruction set in use; null where SPECOPS_ISA asks for none that there is.
SPECOPS_EXPORT const char* specops_isa() {
  try {
    return specops::engine().name;
  } catch (const std::exception&) {
    return nullptr;
  }
}

// Why specops_isa() is null; empty where it is not.
SPECOPS_EXPORT const char* specops_isa_error() {
  static thread_local std::string error;  // callers hold a pointer into it
  error.clear();
  try {
    specops::engine();
  } catch (const std::exception& thrown) {
    error = thrown.what();
  }
  return error.c_str();
}

#if !defined(SPECOPS_CUDA_TARGETS)
// As in common/cuda/runtime_cuda.h.
SPECOPS_EXPORT const char* specops_cuda_missing() { return "this build has no CUDA kernels"; }
#endif

// Why the ops could not be registered with this torch, or their kernels not be removed; empty where they could.
SPECOPS_EXPORT const char* specops_registration_error() { return specops::registration.error.c_str(); }

// Removes the CPU kernels of namespace specops, in whose place Python puts its selector.
SPECOPS_EXPORT void specops_let_python_choose() {
  try {
    if (specops::registration.chosen != nullptr) specops::registration.chosen->remove();
  } catch (const std::exception& error) {
    specops::registration.error = error.what();
  }
}
