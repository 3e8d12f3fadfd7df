// Rings of slots in shared memory, which are filled some steps ahead of their use.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// The slot of a step, in unsigned numbers: an instruction where kSlots is a power of two.
template <int kSlots>
__device__ inline int ring_slot(int step) {
  return static_cast<int>(static_cast<unsigned>(step) % kSlots);
}

}  // namespace gesso::cuda
