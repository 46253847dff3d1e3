#pragma once

#include <limits>

#include "common/pixel.h"
#include "common/tensor.h"

// Python has checked arguments with better messages; these guard memory.
namespace specops {

inline ScalarType compute_type(ScalarType type) {
  return type == ScalarType::kDouble ? ScalarType::kDouble : ScalarType::kFloat;
}

inline Pixel pixel_type(ScalarType type) {
  switch (type) {
    case ScalarType::kHalf:
      return Pixel::kHalf;
    case ScalarType::kBfloat16:
      return Pixel::kBfloat16;
    case ScalarType::kFloat:
      return Pixel::kFloat;
    default:
      return Pixel::kDouble;
  }
}

inline void check_image(const char* name, const Tensor& image) {
  SPECOPS_CHECK_TYPE(image.type() <= ScalarType::kDouble, name, " must be float16, bfloat16, float32 or float64; got ",
                     image.type());
  SPECOPS_CHECK_VALUE(image.dim() >= 2 && image.size(-2) >= 1 && image.size(-1) >= 1, name,
                      " must be [..., H, W] with H, W >= 1; got ", image.sizes());
  SPECOPS_CHECK_VALUE(image.is_cpu(), name, " must be on the CPU; got ", image.device());
}

// index and weight [H, W//2+1] or [M, H, W//2+1] of images like `image`.
inline void check_maps(const Tensor& image, const Tensor& index, const Tensor& weight, int64_t n_bins) {
  const int64_t height = image.size(-2), columns = image.size(-1) / 2 + 1;
  for (const Tensor* map : {&index, &weight}) {
    const bool has_planes = map->dim() == 2 || (map->dim() == 3 && map->size(0) >= 1);
    SPECOPS_CHECK_VALUE(has_planes && map->size(-2) == height && map->size(-1) == columns && map->is_cpu() &&
                            map->sizes() == index.sizes(),
                        "index and weight must be [", height, ", ", columns, "] or [M, ", height, ", ", columns,
                        "] on the CPU for images ", image.sizes(), "; got ", map->sizes(), " on ", map->device());
  }
  SPECOPS_CHECK_TYPE(index.type() == ScalarType::kInt32, "index must be int32; got ", index.type());
  SPECOPS_CHECK_TYPE(weight.type() == compute_type(image.type()), "weight must be ", compute_type(image.type()),
                     " for images of ", image.type(), "; got ", weight.type());
  SPECOPS_CHECK_VALUE(n_bins >= 1 && n_bins < std::numeric_limits<int32_t>::max(), "n_bins must be 1 to 2^31 - 2; got ",
                      n_bins);
}

}  // namespace specops
