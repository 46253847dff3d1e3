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

std::string names() {
  std::string result;
  for (const Engine* const* at = engines(); *at != nullptr; ++at)
    result += (result.empty() ? "" : ", ") + std::string((*at)->name);
  return result;
}

const Engine& chosen() {
  const char* wanted = std::getenv("SPECOPS_ISA");
  const bool any = wanted == nullptr || *wanted == '\0';
  for (const Engine* const* at = engines(); *at != nullptr; ++at) {
    if (!any && std::string((*at)->name) != wanted) continue;
    if ((*at)->runs_here()) return **at;
    if (!any)
      throw std::runtime_error("SPECOPS_ISA=" + std::string(wanted) +
                               ": this CPU does not have it; unset the variable.");
  }
  throw std::runtime_error("SPECOPS_ISA must be one of " + names() + "; got " + wanted + ".");
}

}  // namespace

const Engine* const* engines() {
#if defined(__x86_64__)
  static const Engine* const all[] = {&avx512::engine, &avx2::engine, &baseline::engine, nullptr};
#else
  static const Engine* const all[] = {&baseline::engine, nullptr};
#endif
  return all;
}

const Engine& engine() {
  static const Engine& in_use = chosen();
  return in_use;
}

namespace spectral {

template <class T>
const Kernels<T>& kernels() {
  if constexpr (sizeof(T) == 8) return engine().spectral_twice;
  if constexpr (sizeof(T) == 4) return engine().spectral_single;
}

template const Kernels<float>& kernels();
template const Kernels<double>& kernels();

}  // namespace spectral

namespace resample {

template <class T>
const Kernels<T>& kernels() {
  if constexpr (sizeof(T) == 8) return engine().resample_twice;
  if constexpr (sizeof(T) == 4) return engine().resample_single;
}

template const Kernels<float>& kernels();
template const Kernels<double>& kernels();

}  // namespace resample

}  // namespace specops
