// The emulated csrc/cuda/device/arrival.h. Blocks run on several threads of the host.
#pragma once

#include <atomic>

#include "cuda/device/kernel.h"

namespace gesso::cuda {

inline void fence_device() { std::atomic_thread_fence(std::memory_order_seq_cst); }

inline int32_t count_arrival(int32_t* counter) {
  return std::atomic_ref<int32_t>(*counter).fetch_add(1, std::memory_order_relaxed);
}

inline float load_written(const float* data) { return *data; }

}  // namespace gesso::cuda
