// Lets the last of several blocks finish what all of them have begun. No block waits: each counts itself, and whoever
// comes last sees what the others have written. Which block this is changes nothing in the result, as long as the last
// one reads the others' results in a fixed order.
#pragma once

#include "cuda/device/arrival.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Whether the block is the last one of `num_blocks` to come here. It can then load what the others have written before
// (load_written). All threads of the block take part. `counter`, in global memory, is 0 before the first block comes,
// and again when the last one has come, so the next launch finds it ready. `flag` is one value of shared memory, which
// may be used for anything else before and after the call.
__device__ inline bool is_last_block(int32_t* counter, int num_blocks, int32_t* flag) {
  sync_block();  // all threads have written their results
  if (threadIdx.x == 0) {
    fence_device();
    *flag = count_arrival(counter) == num_blocks - 1 ? 1 : 0;
    fence_device();
    if (*flag) *counter = 0;
  }
  sync_block();
  const bool is_last = *flag != 0;
  sync_block();  // all threads have read the flag
  return is_last;
}

}  // namespace gesso::cuda
