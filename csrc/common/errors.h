#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "common/torch_abi.h"

namespace specops {

// Writes the parts one after the other.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream all;
  all << std::boolalpha;
  ((all << parts), ...);
  return all.str();
}

// Which class an exception has in Python differs between versions of torch. Hence the text begins with the name of the
// class, which specops.backends raises again.
#define SPECOPS_CHECK(class_name, condition, ...)                                            \
  do {                                                                                       \
    if (!(condition)) throw std::runtime_error(specops::text(class_name ": ", __VA_ARGS__)); \
  } while (0)
#define SPECOPS_CHECK_VALUE(condition, ...) SPECOPS_CHECK("ValueError", condition, __VA_ARGS__)
#define SPECOPS_CHECK_TYPE(condition, ...) SPECOPS_CHECK("TypeError", condition, __VA_ARGS__)

// Why a function of torch failed.
inline std::string reason() {
  const bool told = torch_exception_get_what_without_backtrace != nullptr;
  return told ? torch_exception_get_what_without_backtrace() : "its reason is on stderr";
}

// Throws unless a function of torch succeeded.
inline void succeed(int32_t failed, const char* what) {
  if (failed != 0) throw std::runtime_error(text("torch cannot ", what, ": ", reason()));
}

// The same of an allocation on a GPU. Programs that try again with less catch a class of its own, which a torch that
// does not tell the reason is taken to mean.
inline void succeed_on_gpu(int32_t failed) {
  if (failed == 0) return;
  const std::string why = reason();
  const bool other = torch_exception_get_what_without_backtrace != nullptr && why.find("out of memory") == why.npos;
  throw std::runtime_error(
      text(other ? "" : "OutOfMemoryError: CUDA out of memory. ", "torch cannot allocate a tensor: ", why));
}

}  // namespace specops
