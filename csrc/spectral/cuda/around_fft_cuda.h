#pragma once

#include <stdint.h>

// Launchers of the kernels of around_fft_cuda.cu: they return a cudaError_t and are given the stream. Arrays of real
// numbers are float64 where `wide`, else float32; spectra X, Y are [n_images, n_points] pairs of those, dense.
extern "C" {

// `scale` is 0 for none, 1 for the root, 2 for the logarithm, here and below. Points and pools, of bins.cuh, are those
// of the tiles, one after the other; blocks are of n_threads, whole warps up to 256; of_tiles [n_images, n_tiles,
// n_bins] is for the sums of tiles where there are several.
int launch_around_fft_tile_sums(const void* X, const void* Y, const int32_t* points, const int32_t* pools,
                                void* of_tiles, void* sums, int64_t wide, int64_t n_images, int64_t n_points,
                                int64_t n_tiles, int64_t tile_points, int64_t n_threads, int64_t n_bins,
                                int64_t bins_per_pool, int64_t scale, double factor, double eps, void* stream);

// The points of bin k are first[k]..first[k + 1] of place and weight; `lanes`, a power of two up to 32, share a bin.
int launch_around_fft_sums(const void* X, const void* Y, const int32_t* place, const void* weight, const int32_t* first,
                           void* sums, int64_t wide, int64_t n_images, int64_t n_points, int64_t n_bins, int64_t lanes,
                           int64_t scale, double factor, double eps, void* stream);

// index and weight are [n_maps, n_points]; spectrum b is multiplied by the profile at profiles + b * profile_stride.
int launch_around_fft_gains(void* X, const void* profiles, const int32_t* index, const void* weight, int64_t wide,
                            int64_t n_images, int64_t n_points, int64_t n_maps, int64_t profile_stride, int64_t scale,
                            double factor, double eps, void* stream);

// Spectra are [n_images, n_rows, n_columns]; the first n_edges of the columns kx = 0 and the last become Hermitian in
// ky.
int launch_around_fft_hermitian(void* X, int64_t wide, int64_t n_images, int64_t n_rows, int64_t n_columns,
                                int64_t n_edges, void* stream);

// b is one element where `constant`; kept may be null.
int launch_around_fft_clip(const void* filtered, const void* b, void* swapped, int8_t* slopes, void* kept, int64_t wide,
                           int64_t n_pixels, int64_t constant, double low, double high, void* stream);

}  // extern "C"
