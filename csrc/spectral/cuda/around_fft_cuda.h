#pragma once

#include <stdint.h>

// Launchers of the kernels of around_fft_cuda.cu: they return a cudaError_t and are given the stream. Arrays of real
// numbers are float64 where `wide`, else float32; spectra X, Y are [n_images, n_points] pairs of those, dense.
// `launch` is the integers of a struct, which is a dataclass in specops/ops/spectral/cuda.py. `scale` is a
// Scale of common/scale.h.
namespace specops::spectral {

struct TileSums {
  int64_t wide, n_images, n_points, n_bins;
  int64_t n_tiles, tile_points;
  int64_t n_threads;  // of a block: whole warps, up to 256
  int64_t bins_per_pool;
};

struct BinSums {
  int64_t wide, n_images, n_points, n_bins;
  int64_t lanes;  // that share a bin: a power of two up to 32
};

struct Gains {
  int64_t wide, n_images, n_points, n_maps;
  int64_t profile_stride;  // spectrum b is multiplied by the profile at profiles + b * profile_stride
};

struct HermitianColumns {
  int64_t wide, n_images, n_rows, n_columns, n_edges;
};

struct Clip {
  int64_t wide, n_pixels;
  int64_t constant;  // whether b is one element
  int64_t keep;      // whether kept is not null
};

}  // namespace specops::spectral

extern "C" {

// Points and pools, of bins.cuh, are those of the tiles, one after the other; of_tiles [n_images, n_tiles, n_bins] is
// for the sums of tiles where there are several. `launch` is of TileSums.
int launch_around_fft_tile_sums(const void* X, const void* Y, const int32_t* points, const int32_t* pools,
                                void* of_tiles, void* sums, const int64_t* launch, int64_t scale, double factor,
                                double eps, void* stream);

// The points of bin k are first[k]..first[k + 1] of place and weight. `launch` is of BinSums.
int launch_around_fft_sums(const void* X, const void* Y, const int32_t* place, const void* weight, const int32_t* first,
                           void* sums, const int64_t* launch, int64_t scale, double factor, double eps, void* stream);

// index and weight are [n_maps, n_points]. `launch` is of Gains.
int launch_around_fft_gains(void* X, const void* profiles, const int32_t* index, const void* weight,
                            const int64_t* launch, int64_t scale, double factor, double eps, void* stream);

// Spectra are [n_images, n_rows, n_columns]; the first n_edges of the columns kx = 0 and the last become Hermitian in
// ky. `launch` is of HermitianColumns.
int launch_around_fft_hermitian(void* X, const int64_t* launch, void* stream);

// `launch` is of Clip; kept may be null.
int launch_around_fft_clip(const void* filtered, const void* b, void* swapped, int8_t* slopes, void* kept,
                           const int64_t* launch, double low, double high, void* stream);

}  // extern "C"
