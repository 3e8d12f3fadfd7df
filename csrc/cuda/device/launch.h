// The one way to start a kernel.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <utility>

#include "cuda/device/early_start.h"
#include "cuda/host/cuda_error.h"
#include "cuda/host/early_start.h"
#include "cuda/host/shared_limit.h"

namespace gesso::cuda {

struct Launch {
  dim3 grid;
  int block;             // number of threads, a multiple of 32
  int64_t shared_bytes;  // dynamic shared memory of one block
  cudaStream_t stream;
};

// Queues kernel(arguments...) on the stream. It throws CudaError with `name` when the launch is refused. An error
// inside the kernel is reported by a later synchronisation. A grid without blocks is allowed; nothing is launched then.
// The kernel begins with wait_for_earlier_kernels(), and may start before the one in front of it has ended.
template <typename... Parameters, typename... Arguments>
void launch(const char* name, const Launch& launch, void (*kernel)(Parameters...), Arguments&&... arguments) {
  if (launch.grid.x == 0 || launch.grid.y == 0 || launch.grid.z == 0) return;
  if (launch.shared_bytes > kDefaultSharedBytes) {
    raise_shared_limit(reinterpret_cast<const void*>(kernel), name);
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = launch.grid;
  config.blockDim = dim3(static_cast<unsigned>(launch.block));
  config.dynamicSmemBytes = static_cast<size_t>(launch.shared_bytes);
  config.stream = launch.stream;
  cudaLaunchAttribute early = {};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &early;
  config.numAttrs = may_start_early(reinterpret_cast<const void*>(kernel), name) ? 1 : 0;
  check_cuda(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), name);
}

}  // namespace gesso::cuda
