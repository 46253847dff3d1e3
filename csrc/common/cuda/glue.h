#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <initializer_list>

#include "common/cuda/fields.h"
#include "common/cuda/runtime_cuda.h"

// What the raw ops of CUDA kernels share. No part of torch's CUDA libraries is linked, so that the extension also loads
// with a torch that has none.
namespace specops {

inline void* stream_of(const at::Tensor& t) {
  const c10::impl::VirtualGuardImpl guard(t.device().type());
  return guard.getStream(t.device()).native_handle();
}

inline void check_device(const at::Tensor& x, std::initializer_list<const at::Tensor*> others) {
  for (const at::Tensor* t : others) {
    TORCH_CHECK_VALUE(t->device() == x.device(), "all tensors must be on ", x.device(), "; got one on ", t->device());
  }
}

// The struct that Python sent; the count guards memory against a dataclass of other fields.
template <class Struct, class Integer = int64_t>
Struct checked(const char* name, at::IntArrayRef integers) {
  constexpr int64_t count = kFields<Struct, Integer>;
  TORCH_CHECK_VALUE(integers.size() == count, name, " must be ", count, " integers; got ", integers.size());
  return from_integers<Struct, Integer>(integers.data());
}

// Python has checked the arguments of the ops; this guards memory against plans of another device or type.
inline void check_tensors(at::ScalarType real, const at::Tensor& first, std::initializer_list<const at::Tensor*> reals,
                          std::initializer_list<const at::Tensor*> integers) {
  check_device(first, reals);
  check_device(first, integers);
  const auto check = [](const at::Tensor& t, at::ScalarType type) {
    TORCH_CHECK_TYPE(t.scalar_type() == type && t.is_contiguous(), "expected a contiguous tensor of ", type, "; got ",
                     t.scalar_type());
  };
  check(first, real);
  for (const at::Tensor* t : reals) check(*t, real);
  for (const at::Tensor* t : integers) check(*t, at::kInt);
}

inline void check_launch(const char* name, int error) {
  TORCH_CHECK(error == 0, name, ": the launch failed: ", specops_cuda_error(error));
}

}  // namespace specops
