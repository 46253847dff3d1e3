#pragma once

#include <vector>

#include "common/library.h"

namespace specops {

// The resampling ops on CPU tensors.
std::vector<Op> resample_cpu_ops();

}  // namespace specops
