#pragma once

#include <stdint.h>

namespace specops {

enum class Scale : int32_t { kPower, kAmplitude, kLogarithm };

// s(q), q = factor · power: q itself as it is summed without a scale, sqrt(q) or ln(q + eps). The formulas are
// scaled_power and scale_slope of common/coefficient.h.
template <class T>
struct PointScale {
  Scale scale;
  T factor, eps;
};

}  // namespace specops
