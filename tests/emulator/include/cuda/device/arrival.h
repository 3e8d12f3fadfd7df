// The emulated csrc/cuda/device/arrival.h. Blocks run on several threads of the host.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "cuda/device/kernel.h"

namespace gesso::cuda {

inline void fence_device() { std::atomic_thread_fence(std::memory_order_seq_cst); }

inline int32_t count_arrival(int32_t* counter) {
  return std::atomic_ref<int32_t>(*counter).fetch_add(1, std::memory_order_relaxed);
}

// A block that has failed never arrives.
inline void wait_for_arrival(int32_t* counter) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::atomic_ref<int32_t>(*counter).load(std::memory_order_relaxed) == 0) {
    if (std::chrono::steady_clock::now() > give_up) emulator::fail("waits for a block that does not arrive");
    std::this_thread::yield();
  }
}

template <typename T>
inline T load_written(const T* data) {
  return *data;
}

}  // namespace gesso::cuda
