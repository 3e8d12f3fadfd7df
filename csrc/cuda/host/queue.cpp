#include "cuda/host/queue.h"

#include <utility>

#include "core/check.h"
#include "cuda/host/account.h"
#include "cuda/host/cuda_error.h"
#include "ops/current_device.h"

namespace gesso::cuda {

Queue::Queue(int device) : device_(device), properties_(device_properties(device)) {
  const CurrentDevice current(device);
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

Queue::~Queue() {
  try {
    const CurrentDevice current(device_);
    cudaStreamSynchronize(stream_);
    release_outgrown();
    for (Block& block : scratch_) release(block.data);
    cudaStreamDestroy(stream_);
  } catch (const Error&) {  // the device is lost, and the queue with it
  }
}

std::byte* Queue::scratch_bytes(Scratch which, int64_t bytes) {
  Block& block = scratch_[static_cast<size_t>(which)];
  if (bytes <= block.bytes) return block.data;
  outgrown_.push_back(std::exchange(block, {}).data);
  try {
    block.data = allocate_on_device(device_, bytes);
  } catch (const OutOfMemory&) {
    synchronize();
    block.data = allocate_on_device(device_, bytes);
  }
  block.bytes = bytes;
  ++scratch_generation_;
  return block.data;
}

void Queue::synchronize() {
  const CurrentDevice current(device_);
  check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
  release_outgrown();
}

void Queue::release_outgrown() {
  for (std::byte* data : outgrown_) release(data);
  outgrown_.clear();
}

int32_t* Queue::counters(int64_t count) {
  const int64_t before = scratch_generation_;
  auto* counters = scratch<int32_t>(Scratch::kCounters, count);
  if (scratch_generation_ != before) {
    check_cuda(cudaMemsetAsync(counters, 0, count * sizeof(int32_t), stream_), "cudaMemsetAsync");
  }
  return counters;
}

}  // namespace gesso::cuda
