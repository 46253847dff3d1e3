#include <cstdint>

#include "isa/engine.h"

#include "common/coefficient.h"

#define SPECOPS_VECTOR_BYTES 16

namespace specops::baseline {

#include "isa/isa.h"

static bool runs_here() { return true; }

extern const Engine engine;
constexpr Engine engine = {
    "baseline", runs_here, kernels<float>(), kernels<double>(), resample_kernels<float>(), resample_kernels<double>()};

}  // namespace specops::baseline
