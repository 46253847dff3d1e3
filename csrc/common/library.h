#pragma once

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/tensor.h"

// How ops are registered with torch: a kernel is a function of Tensor, int64_t, double, bool, std::string and
// std::vector<int64_t>, which returns nothing, a Tensor or a tuple of them.
namespace specops {

// An argument from the 64 bits in which torch passes it: a number, or a handle that is taken over.
template <class T>
auto taken(uint64_t bits) noexcept {
  if constexpr (std::is_same_v<T, Tensor>) {
    return OwnedTensor(reinterpret_cast<AtenTensorOpaque*>(bits));
  } else if constexpr (std::is_same_v<T, std::vector<int64_t>>) {
    return OwnedList(reinterpret_cast<StableListOpaque*>(bits));
  } else if constexpr (std::is_same_v<T, std::string>) {
    return OwnedString(reinterpret_cast<StringOpaque*>(bits));
  } else {
    static_assert(std::is_same_v<T, int64_t> || std::is_same_v<T, double> || std::is_same_v<T, bool>);
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
    T number;
    __builtin_memcpy(&number, &bits, sizeof number);
    return number;
  }
}

inline Tensor value_of(OwnedTensor& tensor) { return Tensor(tensor.release()); }

inline std::vector<int64_t> value_of(const OwnedList& list) {
  size_t count = 0;
  succeed(torch_list_size(list.get(), &count), "read a list");
  std::vector<int64_t> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    succeed(torch_list_get_item(list.get(), i, reinterpret_cast<uint64_t*>(&numbers[i])), "read a list");
  }
  return numbers;
}

inline std::string value_of(const OwnedString& string) {
  size_t length = 0;
  const char* data = nullptr;
  const bool failed = torch_string_length(string.get(), &length) || torch_string_c_str(string.get(), &data);
  succeed(failed, "read a string");
  return {data, length};
}

inline int64_t value_of(int64_t number) { return number; }
inline double value_of(double number) { return number; }
inline bool value_of(bool flag) { return flag; }

// The 64 bits of what torch takes over.
template <class Owner>
uint64_t given(Owner& owner) noexcept {
  return reinterpret_cast<uint64_t>(owner.release());
}

template <auto kernel, class Result, class... Parameters, size_t... i>
void call_on(uint64_t* stack, Result (*)(Parameters...), std::index_sequence<i...>) {
  auto owned = std::make_tuple(taken<std::decay_t<Parameters>>(stack[i])...);  // all, before one turns out unreadable
  std::tuple<std::decay_t<Parameters>...> arguments{value_of(std::get<i>(owned))...};
  if constexpr (std::is_void_v<Result>) {
    std::apply(kernel, arguments);
  } else if constexpr (std::is_same_v<Result, Tensor>) {
    Tensor result = std::apply(kernel, arguments);
    stack[0] = given(result);
  } else {
    Result results = std::apply(kernel, arguments);
    std::apply([&](auto&... each) { ((*stack++ = given(each)), ...); }, results);
  }
}

template <class Result, class... Parameters>
constexpr auto indices_of(Result (*)(Parameters...)) {
  return std::index_sequence_for<Parameters...>();
}

using BoxedKernel = void (*)(uint64_t* stack, uint64_t n_arguments, uint64_t n_results);

// `kernel` as torch calls it.
template <auto kernel>
void boxed(uint64_t* stack, uint64_t, uint64_t) {
  call_on<kernel>(stack, kernel, indices_of(kernel));
}

struct Op {
  const char* schema;
  BoxedKernel kernel;
};

// Registrations in a namespace of torch, until `remove`; torch wants none removed when the process ends.
class Library {
 public:
  // Of schemas.
  explicit Library(const char* space) {
    succeed(aoti_torch_library_init_fragment(space, __FILE__, __LINE__, &handle_), "open a namespace");
  }
  // Of kernels for a dispatch key.
  Library(const char* space, const char* key) {
    succeed(aoti_torch_library_init_impl(space, key, __FILE__, __LINE__, &handle_), "open a namespace");
  }

  void define(const char* schema) {
    if (torch_library_def_with_tags == nullptr) {
      succeed(aoti_torch_library_def(handle_, schema), "define an op");
    } else {
      const int32_t tag = torch_tag_pt2_compliant_tag();
      succeed(torch_library_def_with_tags(handle_, schema, &tag, 1), "define an op");
    }
  }

  void implement(const Op& op) {
    const std::string schema = op.schema, name = schema.substr(0, schema.find('('));
    succeed(torch_library_impl(handle_, name.c_str(), op.kernel, kBuiltFor), "register a kernel");
  }

  void remove() {
    if (handle_ != nullptr) succeed(aoti_torch_delete_library_object(handle_), "remove kernels");
    handle_ = nullptr;
  }

 private:
  TorchLibraryOpaque* handle_ = nullptr;
};

}  // namespace specops
