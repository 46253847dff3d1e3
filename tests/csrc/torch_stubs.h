// What of torch never fails: its numbers of types and devices.
#pragma once

#include "common/torch_abi.h"

extern "C" {
int32_t aoti_torch_dtype_float16() { return 0; }
int32_t aoti_torch_dtype_bfloat16() { return 1; }
int32_t aoti_torch_dtype_float32() { return 2; }
int32_t aoti_torch_dtype_float64() { return 3; }
int32_t aoti_torch_dtype_complex64() { return 4; }
int32_t aoti_torch_dtype_complex128() { return 5; }
int32_t aoti_torch_dtype_int8() { return 6; }
int32_t aoti_torch_dtype_int32() { return 7; }
int32_t aoti_torch_dtype_int64() { return 8; }
int32_t aoti_torch_device_type_cpu() { return 0; }
int32_t aoti_torch_device_type_cuda() { return 1; }
}
