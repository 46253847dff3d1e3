#pragma once

#include <initializer_list>
#include <type_traits>
#include <vector>

#include "common/cuda/fields.h"
#include "common/cuda/runtime_cuda.h"
#include "common/library.h"

// What the raw ops of CUDA kernels share. An op is given images and what Python has prepared for their size; it checks
// what guards memory, allocates scratch and results, and launches. No CUDA library of torch is linked, so that the
// library also loads beside a torch that has none.
namespace specops {

// The struct whose integers Python has prepared, int64 on the CPU: torch hands over a tensor in less time than a list.
// The count guards memory against a dataclass of other fields.
template <class Struct, class Integer = int64_t>
Struct checked(const char* name, const Tensor& integers) {
  constexpr int64_t count = kFields<Struct, Integer>;
  SPECOPS_CHECK_VALUE(integers.type() == ScalarType::kInt64 && integers.is_cpu() && integers.is_contiguous() &&
                          integers.numel() == count,
                      name, " must be ", count, " integers, int64 on the CPU; got ", integers.sizes(), " of ",
                      integers.type());
  return from_integers<Struct, Integer>(integers.data<int64_t>());
}

// Those that `checked` has seen, as a launcher takes them.
inline const int64_t* numbers(const Tensor& integers) { return integers.data<int64_t>(); }

inline void check_numbers(const Tensor& t, ScalarType type) {
  SPECOPS_CHECK_TYPE(t.type() == type && t.is_contiguous(), "expected a contiguous tensor of ", type, "; got ",
                     t.type());
}

// Python has checked the arguments of the ops; this guards memory against plans of another type.
inline void check_tensors(ScalarType real, std::initializer_list<const Tensor*> reals,
                          std::initializer_list<const Tensor*> integers) {
  for (const Tensor* t : reals) check_numbers(*t, real);
  for (const Tensor* t : integers) check_numbers(*t, ScalarType::kInt32);
}

// And this against a plan of other images.
inline void check_count(const char* name, const Tensor& t, int64_t count) {
  SPECOPS_CHECK_VALUE(t.numel() == count, "launch is for ", name, " of ", count, " elements; got ", t.sizes());
}

// Images as kernels read them, without gaps and from an address that vectors can be read from: lent where they are so
// in memory, else copied to what `empty_like_images` returns, maybe to another type.
class Pixels {
 public:
  template <class F>
  Pixels(const Tensor& images, bool readable, const F& empty_like_images) : images_(images) {
    constexpr uintptr_t kVectorBytes = 16;
    if (readable && reinterpret_cast<uintptr_t>(images.data()) % kVectorBytes == 0) return;
    copy_ = empty_like_images();
    copy(copy_, images);
  }
  const Tensor& operator*() const { return copy_.defined() ? copy_ : images_; }

 private:
  Tensor copy_;
  const Tensor& images_;
};

// A result in the type of the images.
inline Tensor in_type(Tensor result, ScalarType type) {
  if (result.type() == type) return result;
  Tensor made = empty(result.sizes(), type, result.device());
  copy(made, result);
  return made;
}

// Makes a device the current one as long as it lives.
class DeviceGuard {
 public:
  explicit DeviceGuard(const Device& device) {
    succeed(aoti_torch_create_device_guard(device.index, &handle_), "change the device");
  }
  ~DeviceGuard() { aoti_torch_delete_device_guard(handle_); }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  DeviceGuardOpaque* handle_ = nullptr;
};

// The shape of what there is for each image: `size` in the place of its last `n_own` dimensions.
inline std::vector<int64_t> shape_of_each(const Tensor& images, int64_t n_own, std::initializer_list<int64_t> size) {
  std::vector<int64_t> shape = images.sizes().before(-n_own).copy();
  shape.insert(shape.end(), size);
  return shape;
}

// The stream that torch works on.
inline void* stream_of(const Device& device) {
  void* stream = nullptr;
  const bool has_streams = aoti_torch_get_current_cuda_stream != nullptr;
  if (!has_streams) throw std::runtime_error("this torch is built without CUDA");
  succeed(aoti_torch_get_current_cuda_stream(device.index, &stream), "name the stream in use");
  return stream;
}

template <class Element>
constexpr ScalarType type_of_element() {
  if constexpr (std::is_same_v<Element, float>) return ScalarType::kFloat;
  if constexpr (std::is_same_v<Element, double>) return ScalarType::kDouble;
  if constexpr (std::is_same_v<Element, int8_t>) return ScalarType::kInt8;
  if constexpr (std::is_same_v<Element, int32_t>) return ScalarType::kInt32;
  return ScalarType::kOther;
}

// A tensor as a launcher takes it: its memory on a device, null where it is empty.
struct Memory {
  const Tensor& tensor;
  const Device& device;

  template <class Element>
  operator Element*() const {
    SPECOPS_CHECK_VALUE(tensor.device() == device, "all tensors must be on ", device, "; got one on ", tensor.device());
    if constexpr (!std::is_void_v<Element>) {
      constexpr ScalarType type = type_of_element<std::remove_const_t<Element>>();
      SPECOPS_CHECK_TYPE(tensor.type() == type, "expected a tensor of ", type, "; got ", tensor.type());
    }
    if (tensor.numel() == 0) return nullptr;
    if constexpr (std::is_const_v<Element>) {
      return tensor.data<std::remove_const_t<Element>>();
    } else {
      return tensor.mutable_data<Element>();
    }
  }
};

inline Memory passed(const Tensor& tensor, const Device& device) { return {tensor, device}; }
inline const int64_t* passed(const int64_t* integers, const Device&) { return integers; }
inline int64_t passed(int64_t number, const Device&) { return number; }
inline double passed(double number, const Device&) { return number; }

// Calls a launcher, which takes the arguments and the stream, on the device of the first of them.
template <class Launcher, class... Arguments>
void call(const char* name, Launcher* launcher, const Tensor& first, const Arguments&... rest) {
  const Device device = first.device();
  const DeviceGuard guard(device);
  const int error = launcher(passed(first, device), passed(rest, device)..., stream_of(device));
  if (error != 0) throw std::runtime_error(text(name, ": the launch failed: ", specops_cuda_error(error)));
}

}  // namespace specops
