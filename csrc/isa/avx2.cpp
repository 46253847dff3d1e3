#include "isa/engine.h"

#if defined(__x86_64__)

#include <immintrin.h>

// Everything below this line, and nothing above it, may use AVX2.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif

#define SPECOPS_READ_HALF(pixels) reinterpret_cast<Vec<float>>(_mm256_cvtph_ps(reinterpret_cast<__m128i>(pixels)))
#define SPECOPS_WRITE_HALF(values) reinterpret_cast<HalfWords>(_mm256_cvtps_ph(reinterpret_cast<__m256>(values), 0))
#define SPECOPS_RUNS_HERE \
  __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")
#define SPECOPS_ISA avx2
#define SPECOPS_VECTOR_BYTES 32

#include "isa/table.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
