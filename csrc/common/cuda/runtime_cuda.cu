#include "common/cuda/runtime_cuda.h"

#include <cuda_runtime_api.h>

const char* specops_cuda_error(int error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); }

const char* specops_cuda_missing() {
  int version = 0, count = 0;
  if (cudaDriverGetVersion(&version) == cudaSuccess && version == 0) return "no driver is installed";
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  return count > 0 ? nullptr : cudaGetErrorString(cudaErrorNoDevice);
}
