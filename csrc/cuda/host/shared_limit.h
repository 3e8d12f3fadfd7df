// How much shared memory a kernel may ask for.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/host/cuda_error.h"

namespace gesso::cuda {

// What a kernel gets without asking.
constexpr int64_t kDefaultSharedBytes = 48 * 1024;

// Before a launch with more than that: lets the kernel have as much as the current device gives a block. The limit is
// the kernel's, not the launch's. So it is always the highest: another thread may be about to launch with more.
inline void raise_shared_limit(const void* kernel, const char* name) {
  int device = 0, most = 0;
  check_cuda(cudaGetDevice(&device), name);
  check_cuda(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), name);
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most), name);
}

}  // namespace gesso::cuda
