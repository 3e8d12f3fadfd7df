// Running sums of integers over the threads of a block.
#pragma once

#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/warp.h"

namespace gesso::cuda {

struct RunningSum {
  int32_t before;  // the sum of the values of the threads before this one
  int32_t total;   // the sum of the values of all threads
};

// The sum of the values of lanes 0 to this one, its own included.
__device__ inline int32_t warp_running_sum(int32_t value) {
  const int lane = lane_index();
#pragma unroll
  for (int delta = 1; delta < kWarpSize; delta *= 2) {
    const int32_t other = shuffle(value, lane >= delta ? lane - delta : lane);
    if (lane >= delta) value += other;
  }
  return value;
}

// All threads of the block take part. `scratch` is one value per warp in shared memory. It may be used again when the
// call returns, since the call ends with a barrier.
__device__ inline RunningSum block_running_sum(int32_t value, int32_t* scratch) {
  const int32_t of_warp = warp_running_sum(value);
  if (lane_index() == kWarpSize - 1) scratch[warp_index()] = of_warp;
  sync_block();
  RunningSum sum{of_warp - value, 0};
  const int num_warps = static_cast<int>(blockDim.x) / kWarpSize;
  for (int warp = 0; warp < num_warps; ++warp) {
    if (warp < warp_index()) sum.before += scratch[warp];
    sum.total += scratch[warp];
  }
  sync_block();
  return sum;
}

}  // namespace gesso::cuda
