// Barriers of a block. Every thread that a barrier counts must call it, and the threads of a warp must call it
// together.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Waits for all threads of the block. What they wrote before the barrier is seen by all of them after it.
__device__ inline void sync_block() { __syncthreads(); }

// The same for the 32 threads of a warp.
__device__ inline void sync_warp() { __syncwarp(); }

// Waits until `num_threads` threads have named the same barrier. `num_threads` is a multiple of 32. `barrier_id` is 1
// to 15; the hardware's barrier 0 is sync_block's.
__device__ inline void sync_warps(int barrier_id, int num_threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier_id), "r"(num_threads) : "memory");
}

}  // namespace gesso::cuda
