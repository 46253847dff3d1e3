#pragma once

#include <vector>

#include "common/library.h"

namespace specops {

// The spectral ops on CPU tensors.
std::vector<Op> spectral_cpu_ops();

}  // namespace specops
