#pragma once

#include <cstdint>

#include "simd/image.h"
#include "spectral/cpu/plans/plane_plan.h"

// The kernels of one instruction set, for one plane at a time: a result depends on its own plane only, to the bit.
namespace specops::spectral {

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
  Parting<T> parting;

  // out[k] = sum over bin k of weight s(|X|^2), `scaling` for four times |X|^2
  void (*power)(const PlanePlan<T>& plan, const Scaling<T>& scaling, const Image& x, T* out, char* scratch);

  // out[k] = sum over bin k of weight Re(conj(X) Y)
  void (*cross)(const PlanePlan<T>& plan, const Image& x, const Image& y, T* out, char* scratch);

  // profile [n_bins] -> gains [n_slots]; uses scratch
  void (*expand)(const PlanePlan<T>& plan, const T* profile, T* gains, char* scratch);

  // out [H, W] contiguous = inverse DFT of gain s'(q) X, q = |X|^2 scaled as for `power`; without s' for kPower
  void (*filter)(const PlanePlan<T>& plan, const Scaling<T>& scaling, const Image& x, const T* gains, Pixel out_type,
                 void* out, char* scratch);

  // b + inverse DFT of gain (A - B), folded and clipped
  void (*swap)(const PlanePlan<T>& plan, const Image& a, const Image& b, const T* gains, const Swapped<T>& out,
               char* scratch);

  // out[k] = sum over bin k of weight s(value), values [H, W/2+1] in memory
  void (*sum)(const SumPlan<T>& sums, const Scaling<T>& scaling, const T* values, int64_t n_values, T* out,
              char* scratch);
};

// Those of the instruction set in use, for float and double: isa/engines.cpp has them. Throws std::runtime_error where
// there is none.
template <class T>
const Kernels<T>& kernels();

}  // namespace specops::spectral
