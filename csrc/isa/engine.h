#pragma once

#include <vector>

#include "resample/cpu/kernels.h"
#include "spectral/cpu/kernels.h"

namespace specops {

// The kernels of one instruction set.
struct Engine {
  const char* name;
  bool (*runs_here)();
  spectral::Kernels<float> spectral_single;
  spectral::Kernels<double> spectral_twice;
  resample::Kernels<float> resample_single;
  resample::Kernels<double> resample_twice;
};

// The engine in use: the best one that the CPU has, or the one that the environment variable SPECOPS_ISA names. Throws
// std::runtime_error where that is impossible.
const Engine& engine();

// All engines that were compiled, best first.
std::vector<const Engine*> engines();

}  // namespace specops
