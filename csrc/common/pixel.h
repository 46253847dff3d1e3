#pragma once

namespace specops {

enum class Pixel { kHalf, kBfloat16, kFloat, kDouble };

// Calls f with a zero of the type of the arithmetic.
template <class F>
auto for_real(bool wide, const F& f) {
  return wide ? f(double{}) : f(float{});
}

}  // namespace specops
