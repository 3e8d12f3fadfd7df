// Rings of slots in shared memory. A slot is filled some steps before it is used.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// The slot of a step. The unsigned remainder is one instruction where kSlots is a power of two.
template <int kSlots>
__device__ inline int ring_slot(int step) {
  return static_cast<int>(static_cast<unsigned>(step) % kSlots);
}

// The slot of the step that is used, in a loop in which a remainder would take too long.
template <int kSlots>
class RingPosition {
 public:
  __device__ int slot() const { return slot_; }
  // The slot of the step before, which is free. The step kSlots - 1 steps on comes there.
  __device__ int free_slot() const { return slot_ == 0 ? kSlots - 1 : slot_ - 1; }
  __device__ void advance() { slot_ = slot_ == kSlots - 1 ? 0 : slot_ + 1; }

 private:
  int slot_ = 0;
};

}  // namespace gesso::cuda
