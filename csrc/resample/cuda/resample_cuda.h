#pragma once

#include <stdint.h>

// Torch-free launchers, in the argument order of the raw ops of the same names; `layout` as in Layout, then Launch.
// They return a cudaError_t.
namespace specops::resample {

constexpr int64_t kLayoutNumbers = 37;

}  // namespace specops::resample

extern "C" {

// out = upfirdn2d of x, or its transpose. factors has room for 1 + fh + fw numbers in the dtype of f [fh, fw]; folds
// may be null where the layout has none.
int launch_upfirdn2d(const void* x, const void* f, void* factors, const int32_t* row_folds, const int32_t* column_folds,
                     void* out, const int64_t* layout, void* stream);

// The same where patch.cuh has the factors and taps, images are planes and there are no folds.
int launch_upfirdn2d_patches(const void* x, const void* f, void* factors, void* out, const int64_t* layout,
                             void* stream);

// out [fh, fw] = the derivative of <upfirdn2d(x, f), y> in f; sums has room for blocks · fh · fw numbers.
int launch_upfirdn2d_filter_correlation(const void* x, const void* y, double* sums, void* out, const int64_t* layout,
                                        void* stream);
}
