#pragma once

// Before a csrc/**/*_cuda.cpp, whose ops are SPECOPS_OPS: registers them for tensors on the CPU in the namespace
// SPECOPS_SPACE. They are linked with the kernels of cuda_shim.h or with idle_launchers.cpp, and with a torch that
// needs no CUDA.

#include <vector>

#include "common/library.h"

extern "C" {

__attribute__((visibility("default"))) int32_t aoti_torch_get_current_cuda_stream(int32_t, void** stream) {
  *stream = nullptr;
  return 0;
}
int32_t aoti_torch_create_device_guard(int32_t, DeviceGuardOpaque** made) {
  *made = nullptr;
  return 0;
}
int32_t aoti_torch_delete_device_guard(DeviceGuardOpaque*) { return 0; }

const char* specops_cuda_error(int) { return "the emulation failed"; }

}  // extern "C"

namespace specops {

std::vector<Op> SPECOPS_OPS();

static const bool registered = [] {
  static Library schemas(SPECOPS_SPACE), kernels(SPECOPS_SPACE, "CPU");
  for (const Op& op : SPECOPS_OPS()) {
    schemas.define(op.schema);
    kernels.implement(op);
  }
  return true;
}();

}  // namespace specops
