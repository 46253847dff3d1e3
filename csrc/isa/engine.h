#pragma once

#include <cstdint>

#include "common/pixel.h"
#include "resample/cpu/resample.h"
#include "spectral/cpu/plans/plane_plan.h"

// The kernels of one instruction set, for one plane at a time: a result depends on its own plane only, to the bit.
namespace specops {

// A plane [H, W] of pixels; strides in elements.
struct Image {
  const void* pixels;
  Pixel type;
  int64_t row_stride, column_stride;
  int64_t to_next;                // from here to the plane that comes after, or 0: it is prefetched
  const int8_t* slope = nullptr;  // what the pixels are to be multiplied by, [H, W] contiguous, unless nullptr
};

// Where a clipped band swap writes, planes [H, W] contiguous, and its range.
template <class T>
struct Swapped {
  T low, high;
  T constant;  // of the image b where its pixels are nullptr
  Pixel type;
  void* swapped;
  int8_t* slope;
  void* kept;  // or nullptr
};

template <class T>
struct Kernels {
  int64_t lanes;

  // out[k] = sum over bin k of weight s(|X|^2), `scaling` for four times |X|^2
  void (*power)(const spectral::PlanePlan<T>& plan, const spectral::Scaling<T>& scaling, const Image& x, T* out,
                char* scratch);

  // out[k] = sum over bin k of weight Re(conj(X) Y)
  void (*cross)(const spectral::PlanePlan<T>& plan, const Image& x, const Image& y, T* out, char* scratch);

  // profile [n_bins] -> gains [n_slots]; uses scratch
  void (*expand)(const spectral::PlanePlan<T>& plan, const T* profile, T* gains, char* scratch);

  // out [H, W] contiguous = inverse DFT of gain ds/dq X, q = |X|^2 scaled as for `power`; without ds/dq for kPower
  void (*filter)(const spectral::PlanePlan<T>& plan, const spectral::Scaling<T>& scaling, const Image& x,
                 const T* gains, Pixel out_type, void* out, char* scratch);

  // b + inverse DFT of gain (A - B), folded and clipped
  void (*swap)(const spectral::PlanePlan<T>& plan, const Image& a, const Image& b, const T* gains,
               const Swapped<T>& out, char* scratch);

  // out[k] = sum over bin k of weight s(value), values [H, W/2+1] in memory
  void (*sum)(const spectral::BinSums<T>& sums, const spectral::Scaling<T>& scaling, const T* values, int64_t n_values,
              T* out, char* scratch);

  // planes [lanes, H, W] of T, from as many images that lie side by side, x that of the first; W >= lanes
  void (*part)(const Image& x, int64_t height, int64_t width, T* planes);
};

struct Engine {
  const char* name;
  bool (*runs_here)();
  Kernels<float> single;
  Kernels<double> twice;
  resample::Kernels<float> resample_single;
  resample::Kernels<double> resample_twice;
};

// The engine in use: the best one that the CPU has, or the one that the environment variable SPECOPS_ISA names. Throws
// std::runtime_error where that is impossible.
const Engine& engine();

// All engines that were compiled, best first, ended by nullptr.
const Engine* const* engines();

}  // namespace specops
