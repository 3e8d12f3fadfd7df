// How much shared memory a kernel may ask for.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/host/cuda_error.h"

namespace gesso::cuda {

// A kernel may use this much without asking for more.
constexpr int64_t kDefaultSharedBytes = 48 * 1024;

// Must be called before a launch with more shared memory than that. It lets the kernel have as much as the current
// device gives a block. The limit belongs to the kernel, not to the launch, and another thread may be about to launch
// the same kernel with more memory. So the limit is always set to the highest.
inline void raise_shared_limit(const void* kernel, const char* name) {
  int device = 0, most = 0;
  check_cuda(cudaGetDevice(&device), name);
  check_cuda(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), name);
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most), name);
}

}  // namespace gesso::cuda
