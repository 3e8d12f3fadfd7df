// A stream of one GPU with what ops need beside it: the device's properties and scratch memory. One per session.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace gesso::cuda {

struct DeviceProperties {
  std::string name;
  int arch = 0;  // compute capability, 10 * major + minor: 80, 86, 89, 90, 120, 121
  int num_multiprocessors = 0;
  int64_t max_shared_bytes = 0;  // of one block
  int64_t l2_bytes = 0;
  int64_t total_bytes = 0;     // of device memory
  bool is_integrated = false;  // the GPU shares the host's memory and can read its pages
};

// CudaError when there is no such device.
DeviceProperties device_properties(int device);

// What scratch memory is for. An op's scratch is its own until its last kernel; the ops of a queue run in order.
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

  // At least `bytes`, 256-byte aligned, uninitialised. Grows when it must, which a recorded step forbids: a step runs
  // once before it is recorded.
  std::byte* scratch_bytes(Scratch which, int64_t bytes);
  template <typename T>
  T* scratch(Scratch which, int64_t count) {
    return reinterpret_cast<T*>(scratch_bytes(which, count * static_cast<int64_t>(sizeof(T))));
  }
  // Changes when scratch memory has moved: what was recorded before is void.
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
