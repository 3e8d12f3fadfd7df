#include "cuda/host/device_properties.h"

#include <cuda_runtime.h>

#include <algorithm>

#include "cuda/host/cuda_error.h"

namespace gesso::cuda {

DeviceProperties device_properties(int device) {
  cudaDeviceProp properties;
  check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  int reads_pages = 0;
  check_cuda(cudaDeviceGetAttribute(&reads_pages, cudaDevAttrPageableMemoryAccess, device), "cudaDeviceGetAttribute");
  DeviceProperties result;
  result.name = properties.name;
  result.arch = 10 * properties.major + properties.minor;
  result.num_multiprocessors = properties.multiProcessorCount;
  result.max_shared_bytes = static_cast<int64_t>(properties.sharedMemPerBlockOptin);
  result.l2_bytes = properties.l2CacheSize;
  result.total_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  result.is_integrated = properties.integrated != 0 && reads_pages != 0;
  return result;
}

int blocks_by_shared_memory(const DeviceProperties& device, int64_t shared_bytes) {
  constexpr int64_t kReservedBytes = 1024;  // the system takes this for each block
  const int64_t fitting = (device.max_shared_bytes + kReservedBytes) / (shared_bytes + kReservedBytes);
  return static_cast<int>(std::max<int64_t>(fitting, 1));
}

}  // namespace gesso::cuda
