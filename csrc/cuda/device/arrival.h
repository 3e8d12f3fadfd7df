// What blocks of one grid need to hand results to each other through global memory: a counter, a fence, and a load that
// sees what others have written. A block may only wait for one that has said that it runs, since blocks need not run at
// the same time.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Whatever this thread wrote, or saw through a barrier, before the fence is visible on the device before anything that
// it writes after the fence.
__device__ inline void fence_device() { __threadfence(); }

// Adds 1 to a counter in global memory, and returns what it was before.
__device__ inline int32_t count_arrival(int32_t* counter) { return atomicAdd(counter, 1); }

// Waits until a counter in global memory is not 0.
__device__ inline void wait_for_arrival(const int32_t* counter) {
  while (*static_cast<const volatile int32_t*>(counter) == 0) __nanosleep(50);
}

// Loads what other blocks of the same grid may have written. The load does not go through the L1 cache. T is float or
// int32_t.
template <typename T>
__device__ inline T load_written(const T* data) {
  return __ldcg(data);
}

}  // namespace gesso::cuda
