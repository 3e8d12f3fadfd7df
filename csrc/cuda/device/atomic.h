// Atomic operations on integers in global or shared memory. A kernel uses them only where the order in which its
// threads come cannot show in the result. There are none on floats on purpose: the order of a sum would change its last
// bits.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Both return the value that was there before.
__device__ inline int32_t atomic_add(int32_t* address, int32_t value) { return atomicAdd(address, value); }
__device__ inline uint32_t atomic_max(uint32_t* address, uint32_t value) { return atomicMax(address, value); }

}  // namespace gesso::cuda
