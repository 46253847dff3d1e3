#pragma once

#include <tuple>
#include <vector>

#include "common/library.h"

namespace specops {

// The raw ops of the one-launch kernels and of those around torch.fft, on CUDA tensors.
std::vector<Op> spectral_cuda_ops();
std::vector<Op> around_fft_cuda_ops();

// What a band swap of images like `a` returns: swapped, slopes and kept, which has no elements unless `keep`.
inline std::tuple<Tensor, Tensor, Tensor> empty_swapped(const Tensor& a, ScalarType type, bool keep) {
  const Device device = a.device();
  const int64_t nothing = 0;
  return {empty(a.sizes(), type, device), empty(a.sizes(), ScalarType::kInt8, device),
          empty(keep ? a.sizes() : Ints(&nothing, 1), type, device)};
}

}  // namespace specops
