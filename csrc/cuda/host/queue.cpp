#include "cuda/host/queue.h"

#include "core/check.h"
#include "cuda/host/account.h"
#include "cuda/host/cuda_error.h"

namespace gesso::cuda {

Queue::Queue(int device) : device_(device), properties_(device_properties(device)) {
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

Queue::~Queue() {
  cudaSetDevice(device_);
  cudaStreamSynchronize(stream_);
  for (Block& block : scratch_) release_on_device(block.data);
  cudaStreamDestroy(stream_);
}

std::byte* Queue::scratch_bytes(Scratch which, int64_t bytes) {
  Block& block = scratch_[static_cast<size_t>(which)];
  if (bytes <= block.bytes) return block.data;
  release_on_device(block.data);  // waits for the kernels that still use the memory
  block = {};
  block.data = allocate_on_device(device_, bytes);
  block.bytes = bytes;
  ++scratch_generation_;
  return block.data;
}

}  // namespace gesso::cuda
