#pragma once

// What a kernel says in place of CUDA's own syntax for shared memory and launches, so that its source also compiles as
// plain C++ for the emulation of the tests, which includes its own definitions first.

#include <cuda_runtime_api.h>
#include <stdint.h>

#define SPECOPS_DEVICE __device__ __forceinline__

#if !defined(SPECOPS_CUDA_SHIM)

#define SPECOPS_SHARED(Type, name, count) __shared__ Type name[count]

#define SPECOPS_DYN_SMEM(Type, name)                              \
  extern __shared__ __align__(16) unsigned char dynamic_shared[]; \
  Type* const name = reinterpret_cast<Type*>(dynamic_shared)

// `kernel` in parentheses where its template arguments have commas; evaluates to a cudaError_t.
#define SPECOPS_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  specops::launch((kernel), (grid), (block), (shared_bytes), (stream), __VA_ARGS__)

namespace specops {

// Shared memory above 48 KiB has to be asked for.
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, int shared_bytes, void* stream,
                   Arguments... arguments) {
  if (shared_bytes > 48 << 10) {
    const cudaError_t error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                                   cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
    if (error != cudaSuccess) return error;
  }
  kernel<<<grid, block, shared_bytes, static_cast<cudaStream_t>(stream)>>>(static_cast<Parameters>(arguments)...);
  return cudaPeekAtLastError();
}

}  // namespace specops

#endif
