#include "cuda/host/shared_limit.h"

#include <cuda_runtime.h>

#include "cuda/host/cuda_error.h"
#include "cuda/host/per_kernel.h"

namespace gesso::cuda {
namespace {

// Returns the new limit.
int raise_to_highest(const void* kernel, int device, const char* name) {
  int most = 0;
  check_cuda(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), name);
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most), name);
  return most;
}

}  // namespace

void raise_shared_limit(const void* kernel, const char* name) {
  static auto& limits = *new PerKernel<int>();
  limits.get(kernel, name, [&](int device) { return raise_to_highest(kernel, device, name); });
}

}  // namespace gesso::cuda
