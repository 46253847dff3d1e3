#pragma once

#include <stdint.h>

// Functions of one coefficient are shared by C++ and CUDA. They are static and always inlined, so that a copy compiled
// for one instruction set can never be linked into the code of another.
#if defined(__CUDACC__)
#define SPECOPS_INLINE static __host__ __device__ __forceinline__
#else
#define SPECOPS_INLINE static inline __attribute__((always_inline))
#endif

// For members, which cannot be static.
#define SPECOPS_MEMBER inline __attribute__((always_inline))

#define SPECOPS_TEXT(...) #__VA_ARGS__
#define SPECOPS_TEXT_OF(...) SPECOPS_TEXT(__VA_ARGS__)
