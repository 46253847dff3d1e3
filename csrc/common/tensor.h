#pragma once

#include <exception>
#include <mutex>
#include <ostream>
#include <vector>

#include "common/errors.h"
#include "common/torch_abi.h"

namespace specops {

enum class ScalarType : int8_t {
  kHalf,
  kBfloat16,
  kFloat,
  kDouble,
  kInt8,
  kInt32,
  kInt64,
  kComplexFloat,
  kComplexDouble,
  kOther
};

constexpr int kScalarTypes = static_cast<int>(ScalarType::kOther);

// torch's number for a type.
inline int32_t code_of(ScalarType type) {
  static const int32_t codes[kScalarTypes] = {
      aoti_torch_dtype_float16(), aoti_torch_dtype_bfloat16(),  aoti_torch_dtype_float32(),
      aoti_torch_dtype_float64(), aoti_torch_dtype_int8(),      aoti_torch_dtype_int32(),
      aoti_torch_dtype_int64(),   aoti_torch_dtype_complex64(), aoti_torch_dtype_complex128()};
  return codes[static_cast<int>(type)];
}

inline ScalarType type_of(int32_t code) {
  int type = 0;
  while (type < kScalarTypes && code != code_of(static_cast<ScalarType>(type))) ++type;
  return static_cast<ScalarType>(type);
}

inline std::ostream& operator<<(std::ostream& out, ScalarType type) {
  constexpr const char* names[] = {"float16", "bfloat16", "float32",   "float64",    "int8",
                                   "int32",   "int64",    "complex64", "complex128", "another dtype"};
  return out << names[static_cast<int>(type)];
}

// In bytes; of the types that have a name here.
constexpr int64_t size_of(ScalarType type) {
  constexpr int64_t sizes[] = {2, 2, 4, 8, 1, 4, 8, 8, 16, 0};
  return sizes[static_cast<int>(type)];
}

// Of float and double.
template <class T>
constexpr ScalarType kTypeOf = sizeof(T) == 4 ? ScalarType::kFloat : ScalarType::kDouble;

// Numbers that are lent. An index below 0 counts from the end.
class Ints {
 public:
  constexpr Ints(const int64_t* first, int64_t count) : first_(first), count_(count) {}
  Ints(const std::vector<int64_t>& numbers) : first_(numbers.data()), count_(static_cast<int64_t>(numbers.size())) {}

  const int64_t* data() const { return first_; }
  const int64_t* begin() const { return first_; }
  const int64_t* end() const { return first_ + count_; }
  int64_t size() const { return count_; }
  int64_t operator[](int64_t i) const { return first_[i < 0 ? i + count_ : i]; }

  Ints before(int64_t i) const { return {first_, i < 0 ? i + count_ : i}; }
  Ints from(int64_t i) const {
    const int64_t begin = i < 0 ? i + count_ : i;
    return {first_ + begin, count_ - begin};
  }
  std::vector<int64_t> copy() const { return {begin(), end()}; }

  bool operator==(const Ints& other) const {
    bool equal = count_ == other.count_;
    for (int64_t i = 0; equal && i < count_; ++i) equal = first_[i] == other.first_[i];
    return equal;
  }
  bool operator!=(const Ints& other) const { return !(*this == other); }

 private:
  const int64_t* first_;
  int64_t count_;
};

inline std::ostream& operator<<(std::ostream& out, const Ints& numbers) {
  out << '[';
  for (int64_t i = 0; i < numbers.size(); ++i) out << (i > 0 ? ", " : "") << numbers[i];
  return out << ']';
}

struct Device {
  int32_t type = 0, index = 0;
  bool operator==(const Device& other) const { return type == other.type && index == other.index; }
  bool operator!=(const Device& other) const { return !(*this == other); }
};

inline Device cpu() { return {aoti_torch_device_type_cpu(), -1}; }

inline std::ostream& operator<<(std::ostream& out, const Device& device) {
  if (device.type == aoti_torch_device_type_cpu()) return out << "cpu";
  if (device.type == aoti_torch_device_type_cuda()) return out << "cuda:" << device.index;
  return out << "another device";
}

// A reference to a tensor, or to none. What is often asked for is read once; it holds as long as nobody resizes it.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(AtenTensorOpaque* owned) : handle_(owned) {
    int64_t *sizes = nullptr, *strides = nullptr, dim = 0;
    int32_t code = 0;
    const bool failed = aoti_torch_get_dim(owned, &dim) || aoti_torch_get_sizes(owned, &sizes) ||
                        aoti_torch_get_strides(owned, &strides) || aoti_torch_get_dtype(owned, &code) ||
                        torch_get_const_data_ptr(owned, &data_);
    succeed(failed, "describe a tensor");
    sizes_ = {sizes, dim};
    strides_ = {strides, dim};
    type_ = type_of(code);
  }

  bool defined() const { return handle_ != nullptr; }
  AtenTensorOpaque* handle() const { return handle_.get(); }
  AtenTensorOpaque* release() { return handle_.release(); }

  ScalarType type() const { return type_; }
  int64_t element_size() const { return size_of(type_); }
  const Ints& sizes() const { return sizes_; }
  const Ints& strides() const { return strides_; }
  int64_t dim() const { return sizes_.size(); }
  int64_t size(int64_t d) const { return sizes_[d]; }
  int64_t stride(int64_t d) const { return strides_[d]; }

  int64_t numel() const {
    int64_t count = 1;
    for (const int64_t size : sizes_) count *= size;
    return count;
  }

  // Elements are not checked to be of this type.
  template <class T = void>
  const T* data() const {
    return static_cast<const T*>(data_);
  }
  template <class T = void>
  T* mutable_data() const {
    void* data = nullptr;
    succeed(torch_get_mutable_data_ptr(handle(), &data), "write to a tensor");
    return static_cast<T*>(data);
  }

  Device device() const {
    Device device;
    succeed(aoti_torch_get_device_type(handle(), &device.type) || aoti_torch_get_device_index(handle(), &device.index),
            "name a device");
    return device;
  }
  bool is_cpu() const {
    int32_t type = 0;
    succeed(aoti_torch_get_device_type(handle(), &type), "name a device");
    return type == aoti_torch_device_type_cpu();
  }

  // Whether elements lie one after the other, the last dimension innermost.
  bool is_contiguous() const {
    int64_t step = 1;
    for (int64_t d = dim() - 1; d >= 0; --d) {
      if (size(d) != 1 && stride(d) != step && numel() > 0) return false;
      step *= size(d);
    }
    return true;
  }

  // Whether both have the same elements in the same places, as two handles of one tensor do.
  bool is_same(const Tensor& other) const {
    return data_ == other.data_ && type_ == other.type_ && sizes_ == other.sizes_ && strides_ == other.strides_;
  }

 private:
  OwnedTensor handle_;
  const void* data_ = nullptr;
  Ints sizes_{nullptr, 0}, strides_{nullptr, 0};
  ScalarType type_ = ScalarType::kOther;
};

inline Tensor empty_strided(const Ints& sizes, const Ints& strides, ScalarType type, Device device) {
  AtenTensorOpaque* made = nullptr;
  const int32_t failed = aoti_torch_empty_strided(sizes.size(), sizes.data(), strides.data(), code_of(type),
                                                  device.type, device.index, &made);
  if (device.type == aoti_torch_device_type_cuda()) succeed_on_gpu(failed);
  succeed(failed, "allocate a tensor");
  return Tensor(made);
}

// A contiguous tensor.
inline Tensor empty(const Ints& sizes, ScalarType type, Device device) {
  constexpr int64_t kMostOnStack = 8;
  int64_t few[kMostOnStack];
  std::vector<int64_t> many(sizes.size() > kMostOnStack ? sizes.size() : 0);
  int64_t *strides = many.empty() ? few : many.data(), step = 1;
  for (int64_t d = sizes.size() - 1; d >= 0; --d) {
    strides[d] = step;
    step *= sizes[d] > 1 ? sizes[d] : 1;
  }
  return empty_strided(sizes, {strides, sizes.size()}, type, device);
}

// A tensor of memory of the CPU, which stays its owner's. Autograd knows nothing of it, in no thread.
inline Tensor over_memory(const void* data, const Ints& sizes, const Ints& strides, ScalarType type) {
  AtenTensorOpaque* made = nullptr;
  succeed(aoti_torch_create_tensor_from_blob(const_cast<void*>(data), sizes.size(), sizes.data(), strides.data(), 0,
                                             code_of(type), aoti_torch_device_type_cpu(), -1, &made),
          "make a tensor of memory");
  return Tensor(made);
}

// Elements are converted to the type of `to`.
inline void copy(const Tensor& to, const Tensor& from) {
  succeed(aoti_torch_copy_(to.handle(), from.handle(), 0), "copy a tensor");
}

// Of a tensor on the CPU.
inline Tensor contiguous_copy(const Tensor& t) {
  Tensor made = empty(t.sizes(), t.type(), cpu());
  copy(made, over_memory(t.data(), t.sizes(), t.strides(), t.type()));
  return made;
}

// A tensor on the CPU, or where that is not contiguous a copy that is.
class Contiguous {
 public:
  explicit Contiguous(const Tensor& t) : copy_(t.is_contiguous() ? Tensor() : contiguous_copy(t)), t_(t) {}
  const Tensor& operator*() const { return copy_.defined() ? copy_ : t_; }
  const Tensor* operator->() const { return &**this; }

 private:
  Tensor copy_;
  const Tensor& t_;
};

// f(begin, end) on torch's threads. An exception of f is thrown again here: torch would make it an error code.
template <class F>
void parallel_for(int64_t begin, int64_t end, int64_t grain_size, const F& f) {
  struct Context {
    const F& f;
    std::mutex mutex;
    std::exception_ptr thrown;
  } context{f, {}, nullptr};
  const auto call = [](int64_t first, int64_t last, void* given) {
    Context& all = *static_cast<Context*>(given);
    try {
      all.f(first, last);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(all.mutex);
      all.thrown = std::current_exception();
    }
  };
  const int32_t failed = torch_parallel_for(begin, end, grain_size, call, &context);
  if (context.thrown) std::rethrow_exception(context.thrown);
  succeed(failed, "run threads");
}

}  // namespace specops
