// Atomic operations on integers in global or shared memory. Only where no deterministic way exists: the order of the
// threads must not show in a result. There are none on floats, on purpose.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Both return the value before.
__device__ inline int32_t atomic_add(int32_t* address, int32_t value) { return atomicAdd(address, value); }
__device__ inline uint32_t atomic_max(uint32_t* address, uint32_t value) { return atomicMax(address, value); }

}  // namespace gesso::cuda
