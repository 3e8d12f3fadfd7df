// A stream of one GPU, with what ops need beside it: the device's properties and scratch memory. Each session has one.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "cuda/host/device_properties.h"

namespace gesso::cuda {

// What scratch memory is for. The ops of a queue run in order, so an op has its scratch to itself until its last
// kernel.
enum class Scratch { kActivations, kPartials, kWorkList, kHead, kSoftSums, kAttention, kGated, kCount };

class Queue {
 public:
  explicit Queue(int device);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  int device() const { return device_; }
  cudaStream_t stream() const { return stream_; }
  const DeviceProperties& properties() const { return properties_; }

  // At least `bytes`, 256-byte aligned, uninitialised. The memory grows, and moves, when more is asked for than before.
  // While a step is recorded it must not grow; so a step runs once before it is recorded.
  std::byte* scratch_bytes(Scratch which, int64_t bytes);
  template <typename T>
  T* scratch(Scratch which, int64_t count) {
    return reinterpret_cast<T*>(scratch_bytes(which, count * static_cast<int64_t>(sizeof(T))));
  }
  // A number that changes when scratch memory has moved: steps that were recorded before cannot be used any more.
  int64_t scratch_generation() const { return scratch_generation_; }

 private:
  struct Block {
    std::byte* data = nullptr;
    int64_t bytes = 0;
  };

  int device_;
  DeviceProperties properties_;
  cudaStream_t stream_ = nullptr;
  std::array<Block, static_cast<size_t>(Scratch::kCount)> scratch_;
  int64_t scratch_generation_ = 0;
};

}  // namespace gesso::cuda
