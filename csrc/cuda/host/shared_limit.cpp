#include "cuda/host/shared_limit.h"

#include <cuda_runtime.h>

#include <map>
#include <mutex>
#include <utility>

#include "cuda/host/cuda_error.h"

namespace gesso::cuda {
namespace {

// Returns the new limit.
int64_t raise_to_highest(const void* kernel, int device, const char* name) {
  int most = 0;
  check_cuda(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), name);
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most), name);
  return most;
}

}  // namespace

void raise_shared_limit(const void* kernel, int64_t bytes, const char* name) {
  int device = 0;
  check_cuda(cudaGetDevice(&device), name);
  // They are never destroyed: a thread may launch a kernel while the process ends.
  static std::mutex& mutex = *new std::mutex();
  static auto& limits = *new std::map<std::pair<int, const void*>, int64_t>();
  const std::lock_guard lock(mutex);
  int64_t& limit = limits[{device, kernel}];
  if (bytes > limit) limit = raise_to_highest(kernel, device, name);
}

}  // namespace gesso::cuda
