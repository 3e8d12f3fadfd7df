// The emulated csrc/cuda/device/atomic.h. Several threads of the host may run blocks at once, so the functions must be
// atomic here, too.
#pragma once

#include <atomic>

#include "cuda/device/kernel.h"

namespace gesso::cuda {

inline int32_t atomic_add(int32_t* address, int32_t value) {
  return std::atomic_ref<int32_t>(*address).fetch_add(value);
}

inline uint32_t atomic_max(uint32_t* address, uint32_t value) {
  std::atomic_ref<uint32_t> target(*address);
  uint32_t before = target.load();
  while (before < value && !target.compare_exchange_weak(before, value)) {
  }
  return before;
}

}  // namespace gesso::cuda
