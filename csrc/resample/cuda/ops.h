#pragma once

#include <vector>

#include "common/library.h"

namespace specops {

// The raw ops of resampling on CUDA tensors.
std::vector<Op> resample_cuda_ops();

}  // namespace specops
