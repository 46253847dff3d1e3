#pragma once

#include <vector>

#include "common/library.h"

namespace specops {

// The resampling ops on CPU tensors.
std::vector<Op> resample_cpu_ops();

// The same, told how to sample by one tensor.
std::vector<Op> resample_cpu_raw_ops();

}  // namespace specops
