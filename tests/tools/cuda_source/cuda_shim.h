#pragma once

// CUDA C++ sources as plain C++: g++ -x c++ -include cuda_shim.h kernels.cu. They run on fibers, or hand each launch to
// a hook.

#define SPECOPS_CUDA_SHIM 1

#include <dlfcn.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <tuple>
#include <type_traits>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>
#include <vector_functions.h>

#include "cuda_fibers.h"

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __launch_bounds__
#undef __forceinline__
#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))

#define threadIdx (shim::current()->running->index)
#define blockIdx (shim::current()->index)
#define blockDim (shim::current()->threads_shape)
#define gridDim (shim::current()->grid_shape)

#define __syncthreads() shim::wait_for_block(__COUNTER__)

inline void __syncwarp(unsigned mask = 0xffffffffu) { shim::wait_for_warp(mask); }

namespace shim {

inline unsigned lane() { return current()->running->rank % kWarp; }

}  // namespace shim

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const unsigned lane = shim::lane();
  return shim::exchange(mask, value, (lane & ~(width - 1)) + (source & (width - 1)));
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  const unsigned lane = shim::lane(), other = lane ^ bits;
  return shim::exchange(mask, value, other < (lane & ~(width - 1)) + width ? other : lane);
}

inline unsigned __ballot_sync(unsigned mask, int predicate) { return shim::votes(mask, predicate != 0); }

inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }

inline int __popc(unsigned bits) { return __builtin_popcount(bits); }

template <class T>
T __ldg(const T* address) {
  return *address;
}

#define SPECOPS_SHARED(Type, name, count)             \
  Type* const name = [] {                             \
    static const char site = 0;                       \
    return shim::static_shared<Type>(&site, (count)); \
  }()

#define SPECOPS_DYN_SMEM(Type, name) Type* const name = reinterpret_cast<Type*>(shim::current()->dynamic_shared)

#define SPECOPS_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  shim::launch((kernel), (grid), (block), (shared_bytes), __VA_ARGS__)

namespace shim {

// Gets every launch in place of its execution: the kernel's mangled name, the shapes, and where the arguments lie.
using Hook = void (*)(const char* kernel, const unsigned* grid, const unsigned* block, size_t shared_bytes, int n,
                      const void* const* arguments, const size_t* sizes);

inline Hook& hook() {
  static Hook hook = nullptr;
  return hook;
}

inline std::string& last_failure() {
  static std::string message;
  return message;
}

template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, Arguments... arguments) {
  std::tuple<std::remove_cv_t<Parameters>...> values(static_cast<Parameters>(arguments)...);
  try {
    if (!hook()) {
      run_grid(grid, block, shared_bytes, [&] { std::apply(kernel, values); });
      return cudaSuccess;
    }
    Dl_info symbol;
    if (!dladdr(reinterpret_cast<void*>(kernel), &symbol) || !symbol.dli_sname) {
      throw std::runtime_error("a kernel without a name: is it in an anonymous namespace, or static?");
    }
    const unsigned grid_shape[] = {grid.x, grid.y, grid.z}, block_shape[] = {block.x, block.y, block.z};
    const size_t sizes[] = {sizeof(Parameters)...};
    std::apply(
        [&](auto&... value) {
          const void* const addresses[] = {&value...};
          hook()(symbol.dli_sname, grid_shape, block_shape, shared_bytes, sizeof...(Parameters), addresses, sizes);
        },
        values);
    return cudaSuccess;
  } catch (const std::exception& error) {
    current() = nullptr;
    last_failure() = error.what();
    std::fprintf(stderr, "cuda_shim: %s\n", error.what());
    return cudaErrorLaunchFailure;
  }
}

}  // namespace shim

extern "C" {

__attribute__((weak)) void specops_emulation_set_launch_hook(shim::Hook hook) { shim::hook() = hook; }

// order: 0 forward, 1 reverse, 2 random by `seed`.
__attribute__((weak)) void specops_emulation_configure(int order, unsigned seed) {
  shim::settings() = {static_cast<shim::Order>(order), seed};
}

__attribute__((weak)) const char* specops_emulation_failure() { return shim::last_failure().c_str(); }
}
