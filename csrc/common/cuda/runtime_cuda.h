#pragma once

// What torch-free code has to say of CUDA errors. The runtime is linked statically, so it asks for a driver of its own.
extern "C" {

// The runtime's words for a cudaError_t.
const char* specops_cuda_error(int error);

// Why the runtime that the kernels are linked with finds no device, or null where it finds one. Python asks it, too.
__attribute__((visibility("default"))) const char* specops_cuda_missing();

}  // extern "C"
