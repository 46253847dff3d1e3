#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <limits>

#include "common/pixel.h"

// Python has checked arguments with better messages; these guard memory.
namespace specops {

inline at::ScalarType compute_type(at::ScalarType type) { return type == at::kDouble ? at::kDouble : at::kFloat; }

inline Pixel pixel_type(at::ScalarType type) {
  switch (type) {
    case at::kHalf:
      return Pixel::kHalf;
    case at::kBFloat16:
      return Pixel::kBfloat16;
    case at::kFloat:
      return Pixel::kFloat;
    default:
      return Pixel::kDouble;
  }
}

inline void check_image(const char* name, const at::Tensor& image) {
  TORCH_CHECK_TYPE(image.scalar_type() == at::kHalf || image.scalar_type() == at::kBFloat16 ||
                       image.scalar_type() == at::kFloat || image.scalar_type() == at::kDouble,
                   name, " must be float16, bfloat16, float32 or float64; got ", image.scalar_type());
  TORCH_CHECK_VALUE(image.dim() >= 2 && image.size(-2) >= 1 && image.size(-1) >= 1, name,
                    " must be [..., H, W] with H, W >= 1; got ", image.sizes());
  TORCH_CHECK_VALUE(image.device().is_cpu(), name, " must be on the CPU; got ", image.device());
}

// index and weight [H, W//2+1] or [M, H, W//2+1] of images like `image`.
inline void check_maps(const at::Tensor& image, const at::Tensor& index, const at::Tensor& weight, int64_t n_bins) {
  const int64_t height = image.size(-2), columns = image.size(-1) / 2 + 1;
  for (const at::Tensor& map : {index, weight}) {
    const bool has_planes = map.dim() == 2 || (map.dim() == 3 && map.size(0) >= 1);
    TORCH_CHECK_VALUE(has_planes && map.size(-2) == height && map.size(-1) == columns && map.device().is_cpu() &&
                          map.sizes() == index.sizes(),
                      "index and weight must be [", height, ", ", columns, "] or [M, ", height, ", ", columns,
                      "] on the CPU for images ", image.sizes(), "; got ", map.sizes(), " on ", map.device());
  }
  TORCH_CHECK_TYPE(index.scalar_type() == at::kInt, "index must be int32; got ", index.scalar_type());
  TORCH_CHECK_TYPE(weight.scalar_type() == compute_type(image.scalar_type()), "weight must be ",
                   compute_type(image.scalar_type()), " for images of ", image.scalar_type(), "; got ",
                   weight.scalar_type());
  TORCH_CHECK_VALUE(n_bins >= 1 && n_bins < std::numeric_limits<int32_t>::max(), "n_bins must be 1 to 2^31 - 2; got ",
                    n_bins);
}

}  // namespace specops
