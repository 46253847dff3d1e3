#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <initializer_list>
#include <type_traits>

#include "common/cuda/fields.h"
#include "common/cuda/runtime_cuda.h"

// What the raw ops of CUDA kernels share. No part of torch's CUDA libraries is linked, so that the extension also loads
// with a torch that has none.
namespace specops {

// The struct that Python sent; the count guards memory against a dataclass of other fields.
template <class Struct, class Integer = int64_t>
Struct checked(const char* name, at::IntArrayRef integers) {
  constexpr int64_t count = kFields<Struct, Integer>;
  TORCH_CHECK_VALUE(integers.size() == count, name, " must be ", count, " integers; got ", integers.size());
  return from_integers<Struct, Integer>(integers.data());
}

// Python has checked the arguments of the ops; this guards memory against plans of another type.
inline void check_tensors(at::ScalarType real, const at::Tensor& first, std::initializer_list<const at::Tensor*> reals,
                          std::initializer_list<const at::Tensor*> integers) {
  const auto check = [](const at::Tensor& t, at::ScalarType type) {
    TORCH_CHECK_TYPE(t.scalar_type() == type && t.is_contiguous(), "expected a contiguous tensor of ", type, "; got ",
                     t.scalar_type());
  };
  check(first, real);
  for (const at::Tensor* t : reals) check(*t, real);
  for (const at::Tensor* t : integers) check(*t, at::kInt);
}

// A tensor as a launcher takes it: its memory on a device, null where it is empty.
struct Memory {
  const at::Tensor& tensor;
  at::Device device;

  template <class Element>
  operator Element*() const {
    TORCH_CHECK_VALUE(tensor.device() == device, "all tensors must be on ", device, "; got one on ", tensor.device());
    if constexpr (!std::is_void_v<Element>) {
      constexpr at::ScalarType type = c10::CppTypeToScalarType<std::remove_const_t<Element>>::value;
      TORCH_CHECK_TYPE(tensor.scalar_type() == type, "expected a tensor of ", type, "; got ", tensor.scalar_type());
    }
    if (tensor.numel() == 0) return nullptr;
    if constexpr (std::is_const_v<Element>) {
      return static_cast<Element*>(tensor.const_data_ptr());
    } else {
      return static_cast<Element*>(tensor.mutable_data_ptr());
    }
  }
};

inline Memory passed(const at::Tensor& tensor, at::Device device) { return {tensor, device}; }
inline const int64_t* passed(at::IntArrayRef integers, at::Device) { return integers.data(); }
inline int64_t passed(int64_t number, at::Device) { return number; }
inline double passed(double number, at::Device) { return number; }

// Calls a launcher, which takes the arguments of the op and the stream, on the device of the first of them.
template <class Launcher, class... Arguments>
void call(const char* name, Launcher* launcher, const at::Tensor& first, const Arguments&... rest) {
  const at::Device device = first.device();
  const c10::DeviceGuard guard(device);
  void* const stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device).native_handle();
  const int error = launcher(passed(first, device), passed(rest, device)..., stream);
  TORCH_CHECK(error == 0, name, ": the launch failed: ", specops_cuda_error(error));
}

}  // namespace specops
