#pragma once

#include <stddef.h>
#include <stdint.h>

#include <memory>

// What the library needs of torch: C functions that torch promises to keep, all of them in torch 2.10. Nothing of torch
// is included, so that neither a build nor what it makes depends on a version of torch. torch is loaded before this
// library, and the dynamic linker finds the functions there. Those that return an int32_t return 0 where they succeed.
#pragma GCC visibility push(default)
extern "C" {

struct AtenTensorOpaque;
struct DeviceGuardOpaque;
struct StableListOpaque;
struct StringOpaque;
class TorchLibraryOpaque;

int32_t aoti_torch_dtype_float16();
int32_t aoti_torch_dtype_bfloat16();
int32_t aoti_torch_dtype_float32();
int32_t aoti_torch_dtype_float64();
int32_t aoti_torch_dtype_complex64();
int32_t aoti_torch_dtype_complex128();
int32_t aoti_torch_dtype_int8();
int32_t aoti_torch_dtype_int32();
int32_t aoti_torch_dtype_int64();
int32_t aoti_torch_device_type_cpu();
int32_t aoti_torch_device_type_cuda();

// A handle is one reference to a tensor; sizes and strides are lent.
int32_t aoti_torch_get_dim(AtenTensorOpaque* t, int64_t* dim);
int32_t aoti_torch_get_sizes(AtenTensorOpaque* t, int64_t** sizes);
int32_t aoti_torch_get_strides(AtenTensorOpaque* t, int64_t** strides);
int32_t aoti_torch_get_dtype(AtenTensorOpaque* t, int32_t* dtype);
int32_t aoti_torch_get_device_type(AtenTensorOpaque* t, int32_t* device_type);
int32_t aoti_torch_get_device_index(AtenTensorOpaque* t, int32_t* device_index);
int32_t torch_get_const_data_ptr(AtenTensorOpaque* t, const void** data);
int32_t torch_get_mutable_data_ptr(AtenTensorOpaque* t, void** data);
int32_t aoti_torch_delete_tensor_object(AtenTensorOpaque* t);
int32_t aoti_torch_empty_strided(int64_t dim, const int64_t* sizes, const int64_t* strides, int32_t dtype,
                                 int32_t device_type, int32_t device_index, AtenTensorOpaque** made);
int32_t aoti_torch_create_tensor_from_blob(void* data, int64_t dim, const int64_t* sizes, const int64_t* strides,
                                           int64_t storage_offset, int32_t dtype, int32_t device_type,
                                           int32_t device_index, AtenTensorOpaque** made);
int32_t aoti_torch_copy_(AtenTensorOpaque* to, AtenTensorOpaque* from, int32_t non_blocking);

int32_t torch_new_list_reserve_size(size_t size, StableListOpaque** made);
int32_t torch_list_push_back(StableListOpaque* list, uint64_t element);
int32_t torch_list_size(StableListOpaque* list, size_t* size);
int32_t torch_list_get_item(StableListOpaque* list, size_t i, uint64_t* element);
int32_t torch_delete_list(StableListOpaque* list);
int32_t torch_string_length(StringOpaque* string, size_t* length);
int32_t torch_string_c_str(StringOpaque* string, const char** data);
int32_t torch_delete_string(StringOpaque* string);

int32_t torch_parallel_for(int64_t begin, int64_t end, int64_t grain_size, void (*f)(int64_t, int64_t, void*),
                           void* context);

int32_t aoti_torch_create_device_guard(int32_t device_index, DeviceGuardOpaque** made);
int32_t aoti_torch_delete_device_guard(DeviceGuardOpaque* guard);

// An op takes its arguments from a stack of 64 bits each, and leaves its results there.
int32_t torch_call_dispatcher(const char* op, const char* overload, uint64_t* stack, uint64_t built_for);

int32_t aoti_torch_library_init_fragment(const char* space, const char* file, uint32_t line, TorchLibraryOpaque** made);
int32_t aoti_torch_library_init_impl(const char* space, const char* key, const char* file, uint32_t line,
                                     TorchLibraryOpaque** made);
int32_t aoti_torch_library_def(TorchLibraryOpaque* library, const char* schema);
int32_t torch_library_impl(TorchLibraryOpaque* library, const char* op, void (*kernel)(uint64_t*, uint64_t, uint64_t),
                           uint64_t built_for);
int32_t aoti_torch_delete_library_object(TorchLibraryOpaque* library);

// In torch's CUDA library, which libtorch.so brings where there is one; null elsewhere.
__attribute__((weak)) int32_t aoti_torch_get_current_cuda_stream(int32_t device_index, void** stream);

// From torch 2.12 on; null before.
__attribute__((weak)) int32_t torch_tag_pt2_compliant_tag();
__attribute__((weak)) int32_t torch_library_def_with_tags(TorchLibraryOpaque* library, const char* schema,
                                                          const int32_t* tags, int32_t n_tags);

// From torch 2.13 on; null before. The text is lent until the next exception.
__attribute__((weak)) const char* torch_exception_get_what_without_backtrace();

}  // extern "C"
#pragma GCC visibility pop

namespace specops {

// The version of torch whose way of passing values is spoken on the stack of an op.
constexpr uint64_t kBuiltFor = (uint64_t{2} << 56) | (uint64_t{10} << 48);

// Handles that are given back to torch at the end of their scope, whatever ends it.
template <auto give_back>
struct Delete {
  template <class Opaque>
  void operator()(Opaque* handle) const {
    give_back(handle);
  }
};
using OwnedTensor = std::unique_ptr<AtenTensorOpaque, Delete<aoti_torch_delete_tensor_object>>;
using OwnedList = std::unique_ptr<StableListOpaque, Delete<torch_delete_list>>;
using OwnedString = std::unique_ptr<StringOpaque, Delete<torch_delete_string>>;

}  // namespace specops
