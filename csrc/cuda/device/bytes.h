// Bytes of registers.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Byte i of the result is the one of the eight bytes of low (0 to 3) and high (4 to 7) that nibble i of the selector
// names; its bit 3 is 0.
__device__ inline uint32_t permute_bytes(uint32_t low, uint32_t high, uint32_t selector) {
  return __byte_perm(low, high, selector);
}

}  // namespace gesso::cuda
