#pragma once

#include <stdint.h>

namespace specops {

enum class Scale : int32_t { kPower, kAmplitude, kLogarithm };

// s(q), q = factor · power: q itself as it is summed without a scale, sqrt(q) or ln(q + eps).
template <class T>
struct PointScale {
  Scale scale;
  T factor, eps;
};

}  // namespace specops
