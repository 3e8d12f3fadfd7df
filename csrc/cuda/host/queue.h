// A stream of one GPU, and what ops need with it: the device's properties, and scratch memory. Each session has one.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/host/device_properties.h"
#include "ops/activations.h"

namespace gesso::cuda {

// The uses of scratch memory. The ops of a queue run in order, so an op has its scratch memory to itself until its last
// kernel has run. Only kRounded, one for each slot of ops::Rounding, is kept for later ops.
enum class Scratch {
  kActivations,
  kRounded,
  kPartials = kRounded + ops::Rounding::kNumSlots,
  kCounters,
  kHead,
  kSoftSums,
  kAttention,
  kGated,
  kCount
};

class Queue {
 public:
  explicit Queue(int device);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  int device() const { return device_; }
  cudaStream_t stream() const { return stream_; }
  const DeviceProperties& properties() const { return properties_; }

  // Waits for all work that is queued. CudaError when any of it failed.
  void synchronize();

  // Returns at least `bytes` bytes, 256-byte aligned and uninitialised. If more is asked for than before, the memory
  // grows, and moves. It must not grow while a step is recorded, so a step runs once before it is recorded.
  std::byte* scratch_bytes(Scratch which, int64_t bytes);
  template <typename T>
  T* scratch(Scratch which, int64_t count) {
    return reinterpret_cast<T*>(scratch_bytes(which, count * static_cast<int64_t>(sizeof(T))));
  }
  // Counters that kernels find at 0 and leave at 0 (block/last_block.h). They grow and move as scratch memory does.
  int32_t* counters(int64_t count);
  // This number changes when scratch memory has moved. Then steps that were recorded before cannot be played back any
  // more.
  int64_t scratch_generation() const { return scratch_generation_; }

 private:
  struct Block {
    std::byte* data = nullptr;
    int64_t bytes = 0;
  };

  void release_outgrown();

  int device_;
  DeviceProperties properties_;
  cudaStream_t stream_ = nullptr;
  std::array<Block, static_cast<size_t>(Scratch::kCount)> scratch_;
  int64_t scratch_generation_ = 0;
  std::vector<std::byte*> outgrown_;  // was scratch memory; kernels may use it until the next synchronize()
};

}  // namespace gesso::cuda
