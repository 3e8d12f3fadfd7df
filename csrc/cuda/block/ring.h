// Rings of slots in shared memory. A slot is filled some steps before it is used.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// The slot of a step. The unsigned remainder is one instruction where kSlots is a power of two.
template <int kSlots>
__device__ inline int ring_slot(int step) {
  return static_cast<int>(static_cast<unsigned>(step) % kSlots);
}

}  // namespace gesso::cuda
