// Barriers of a block. Every thread that a barrier counts must come to it, all of a warp together.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Waits for all threads of the block; their writes before it are seen by all after it.
__device__ inline void sync_block() { __syncthreads(); }

// Waits for `num_threads` threads, a multiple of 32, that name the same barrier, 1 to 15 (0 is sync_block's).
__device__ inline void sync_warps(int barrier_id, int num_threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier_id), "r"(num_threads) : "memory");
}

}  // namespace gesso::cuda
