#include "cuda/host/cuda_error.h"

#include <string>

#include "gesso/error.h"

namespace gesso::cuda {

void check_cuda(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return;
  // The runtime keeps an error for the next caller that asks. Since it is reported here, the runtime is made to forget
  // it.
  static_cast<void>(cudaGetLastError());
  const std::string message = std::string(call) + ": " + cudaGetErrorName(error) + ": " + cudaGetErrorString(error);
  if (error == cudaErrorMemoryAllocation) throw OutOfMemory(message, 0);
  throw CudaError(message, static_cast<int>(error));
}

}  // namespace gesso::cuda
