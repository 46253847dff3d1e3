#pragma once

#include "isa/engine.h"
#include "resample/cpu/correlation.h"
#include "resample/cpu/rows.h"
#include "spectral/cpu/lines.h"
#include "spectral/cpu/sums.h"
#include "spectral/cpu/swap.h"

namespace specops::SPECOPS_ISA {

template <class T>
constexpr spectral::Kernels<T> spectral_kernels() {
  return {{kLanes<T>, part<T>}, power_plane<T>, cross_plane<T>,   expand_profile<T>,
          filter_plane<T>,      swap_plane<T>,  sum_half_plane<T>};
}

template <class T>
constexpr resample::Kernels<T> resample_kernels() {
  return {kLanes<T>, resample_rows<T>, correlate_rows<T>};
}

static bool runs_here() { return SPECOPS_RUNS_HERE; }

extern const Engine engine;
constexpr Engine engine = {SPECOPS_TEXT_OF(SPECOPS_ISA), runs_here,
                           spectral_kernels<float>(),    spectral_kernels<double>(),
                           resample_kernels<float>(),    resample_kernels<double>()};

}  // namespace specops::SPECOPS_ISA
