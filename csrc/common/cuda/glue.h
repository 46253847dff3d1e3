#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/impl/VirtualGuardImpl.h>

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

inline void check_launch(const char* name, int error) {
  TORCH_CHECK(error == 0, name, ": the launch failed: ", specops_cuda_error(error));
}

}  // namespace specops
