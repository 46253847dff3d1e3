#pragma once

namespace specops {

enum class Pixel { kHalf, kBfloat16, kFloat, kDouble };

}  // namespace specops
