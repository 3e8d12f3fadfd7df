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
  const void* kernel;  // identifies the kernel, for the limits that cudaFuncSetAttribute has set
  dim3 grid;
  int block;
  size_t shared_bytes;
  std::function<void()> body;         // calls the kernel with its arguments, once per thread
  std::vector<const void*> pointers;  // all pointers among the arguments
  std::vector<const void*> words;     // words of arguments that are structs; a word may be a pointer
};

// Makes the checks that CUDA makes at a launch, and queues the kernel.
cudaError_t queue_kernel(KernelLaunch launch, cudaStream_t stream);

}  // namespace gesso::emulator
