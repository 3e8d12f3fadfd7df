// Loads and stores that the emulator counts: the bank conflicts of those in shared memory, the bytes of loads from
// global memory. On a GPU they are plain loads and stores of one instruction, so T has at most 16 bytes.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

template <typename T>
__device__ inline T load_from(const void* address) {
  static_assert(sizeof(T) <= 16);
  return *static_cast<const T*>(address);
}

template <typename T>
__device__ inline void store_to(void* address, const T& value) {
  static_assert(sizeof(T) <= 16);
  *static_cast<T*>(address) = value;
}

}  // namespace gesso::cuda
