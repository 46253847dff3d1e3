#include "isa/engine.h"

#if defined(__x86_64__)

#include <immintrin.h>

// Everything below this line, and nothing above it, may use AVX-512.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c")
#endif

#define SPECOPS_READ_HALF(pixels) \
  reinterpret_cast<Vec<float>>(_mm512_maskz_cvtph_ps(0xffff, reinterpret_cast<__m256i>(pixels)))
#define SPECOPS_WRITE_HALF(values) \
  reinterpret_cast<HalfWords>(_mm512_maskz_cvtps_ph(0xffff, reinterpret_cast<__m512>(values), 0))
#define SPECOPS_RUNS_HERE                                                                                          \
  __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && \
      __builtin_cpu_supports("avx512vl")
#define SPECOPS_ISA avx512
#define SPECOPS_VECTOR_BYTES 64

#include "isa/table.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
