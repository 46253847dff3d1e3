#include <cstdlib>
#include <stdexcept>
#include <string>

#include "isa/engine.h"

namespace specops {

#if defined(__x86_64__)
namespace avx512 {
extern const Engine engine;
}
namespace avx2 {
extern const Engine engine;
}
#endif
namespace baseline {
extern const Engine engine;
}

namespace {

const Engine& chosen() {
  const char* wanted = std::getenv("SPECOPS_ISA");
  const bool any = wanted == nullptr || *wanted == '\0';
  std::string names;
  for (const Engine* engine : engines()) {
    names += (names.empty() ? "" : ", ") + std::string(engine->name);
    if (!any && std::string(engine->name) != wanted) continue;
    if (engine->runs_here()) return *engine;
    if (!any)
      throw std::runtime_error("SPECOPS_ISA=" + std::string(wanted) +
                               ": this CPU does not have it; unset the variable.");
  }
  throw std::runtime_error("SPECOPS_ISA must be one of " + names + "; got " + wanted + ".");
}

}  // namespace

std::vector<const Engine*> engines() {
#if defined(__x86_64__)
  return {&avx512::engine, &avx2::engine, &baseline::engine};
#else
  return {&baseline::engine};
#endif
}

const Engine& engine() {
  static const Engine& in_use = chosen();
  return in_use;
}

template <>
const spectral::Kernels<float>& spectral::kernels() {
  return engine().spectral_single;
}

template <>
const spectral::Kernels<double>& spectral::kernels() {
  return engine().spectral_twice;
}

template <>
const resample::Kernels<float>& resample::kernels() {
  return engine().resample_single;
}

template <>
const resample::Kernels<double>& resample::kernels() {
  return engine().resample_twice;
}

}  // namespace specops
