// Turns the CUDA runtime's error codes into exceptions.
#pragma once

#include <cuda_runtime.h>

namespace gesso::cuda {

// Throws CudaError with the call, the error's name and its description unless `error` is cudaSuccess.
void check_cuda(cudaError_t error, const char* call);

}  // namespace gesso::cuda
