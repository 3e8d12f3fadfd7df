#include "cuda/host/early_start.h"

#include <cuda_runtime.h>

#include "cuda/host/cuda_error.h"
#include "cuda/host/per_kernel.h"
#include "ops/device.h"

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
  static auto& answers = *new PerKernel<bool>();
  return answers.get(kernel, name, [&](int /*device*/) { return waits_by_itself(kernel, name); });
}

void set_early_starts(bool on) { starts_kernels_early = on; }

}  // namespace gesso::cuda
