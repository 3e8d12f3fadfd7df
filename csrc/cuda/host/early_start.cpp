#include "cuda/host/early_start.h"

#include <cuda_runtime.h>

#include <map>
#include <mutex>
#include <utility>

#include "cuda/host/cuda_error.h"

namespace gesso::cuda {
namespace {

bool waits_by_itself(const void* kernel, const char* name) {
  constexpr int kOldestThatWaits = 90;
  cudaFuncAttributes attributes = {};
  check_cuda(cudaFuncGetAttributes(&attributes, kernel), name);
  return attributes.ptxVersion >= kOldestThatWaits;
}

}  // namespace

bool may_start_early(const void* kernel, const char* name) {
  if (!starts_kernels_early) return false;
  int device = 0;
  check_cuda(cudaGetDevice(&device), name);
  // They are never destroyed: a thread may launch a kernel while the process ends.
  static std::mutex& mutex = *new std::mutex();
  static auto& known = *new std::map<std::pair<int, const void*>, bool>();
  const std::lock_guard lock(mutex);
  const auto found = known.find({device, kernel});
  if (found != known.end()) return found->second;
  return known[{device, kernel}] = waits_by_itself(kernel, name);
}

}  // namespace gesso::cuda
