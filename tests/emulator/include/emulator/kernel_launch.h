// What cuda::launch hands to the emulator.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace gesso::emulator {

struct KernelLaunch {
  std::string name;
  const void* kernel;  // for what cudaFuncSetAttribute said about it
  dim3 grid;
  int block;
  size_t shared_bytes;
  std::function<void()> body;         // calls the kernel with its arguments, once per thread
  std::vector<const void*> pointers;  // those among its arguments
  std::vector<const void*> words;     // what may be pointers in arguments that are structs
};

// Checks what CUDA checks at a launch and queues the kernel.
cudaError_t queue_kernel(KernelLaunch launch, cudaStream_t stream);

}  // namespace gesso::emulator
