// Lets two blocks of a grid join what each has made, through global memory that has room for what one of them made. The
// block that is done first writes its part, hands it over and ends. The other one takes it and goes on. So the result
// must not depend on which one is first: a sum of two has one order.
//
// The second block waits for the first one, but only while that one writes. It is not waited for before it has said
// that it is done, so it need not run at the same time as the second one.
#pragma once

#include "cuda/device/arrival.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Two counters of a pair of blocks, in global memory. They are 0 before, and again when the second block has taken
// over.
struct HandOver {
  int32_t* counters;  // blocks that are done; blocks that have written

  // Whether the block is the first one of its pair. All threads of the block take part. `flag` is one value of shared
  // memory, which may be used for anything else before and after the call.
  __device__ bool comes_first(int32_t* flag) const {
    sync_block();  // nobody needs what lies at the flag any more
    if (threadIdx.x == 0) *flag = count_arrival(counters);
    sync_block();
    const bool is_first = *flag == 0;
    sync_block();  // all threads have read the flag
    return is_first;
  }

  // The first block calls this when it has written.
  __device__ void give() const {
    sync_block();  // all threads have written
    if (threadIdx.x != 0) return;
    fence_device();
    count_arrival(counters + 1);
  }

  // The second block can then load what the first one has written (load_written).
  __device__ void take() const {
    if (threadIdx.x == 0) {
      wait_for_arrival(counters + 1);
      fence_device();
      counters[0] = counters[1] = 0;
    }
    sync_block();
  }
};

}  // namespace gesso::cuda
