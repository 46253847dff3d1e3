#pragma once

#include <stdint.h>

// Torch-free launchers, in the argument order of the raw ops of the same names, scratch and results after the inputs;
// `layout` and `launch` are the integers of structs Layout and Launch of layout.h. They return a cudaError_t.
extern "C" {

// out = upfirdn2d of x, or its transpose. f is the filter [fh, fw] or, where the launch says so, 1-D taps that make it
// with `gain`, else ignored. factors has room for 1 + fh + fw numbers in the dtype of f; folds may be null where the
// layout has none.
int launch_upfirdn2d(const void* x, const void* f, const int32_t* row_folds, const int32_t* column_folds, void* factors,
                     void* out, const int64_t* layout, const int64_t* launch, double gain, void* stream);

// The same where patch.cuh has the factors and taps, images are planes and there are no folds.
int launch_upfirdn2d_patches(const void* x, const void* f, void* factors, void* out, const int64_t* layout,
                             const int64_t* launch, double gain, void* stream);

// out [fh, fw] = the derivative of <upfirdn2d(x, f), y> in f; sums has room for blocks · fh · fw numbers.
int launch_upfirdn2d_filter_correlation(const void* x, const void* y, double* sums, void* out, const int64_t* layout,
                                        const int64_t* launch, void* stream);
}
