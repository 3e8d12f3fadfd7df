// Sums and maxima over a warp or a block. Every thread gets the result. The order of the additions is fixed.
#pragma once

#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/warp.h"

namespace gesso::cuda {

// T is float, int32_t or uint32_t. All lanes take part.
template <typename T>
__device__ inline T warp_sum(T value) {
#pragma unroll
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

template <typename T>
__device__ inline T warp_max(T value) {
#pragma unroll
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
    const T other = shuffle_xor(value, mask);
    value = value > other ? value : other;
  }
  return value;
}

// The number of values that block_sum and block_max need in shared memory: one for each of at most 32 warps.
constexpr int kReduceScratch = 32;

// All threads of the block take part. `scratch` is kReduceScratch values of shared memory. It may be used again when
// the call returns, since the call ends with a barrier.
template <typename T>
__device__ inline T block_sum(T value, T* scratch) {
  const T of_warp = warp_sum(value);
  if (lane_index() == 0) scratch[warp_index()] = of_warp;
  sync_block();
  T sum = scratch[0];
  const int num_warps = static_cast<int>(blockDim.x) / kWarpSize;
  for (int warp = 1; warp < num_warps; ++warp) sum += scratch[warp];
  sync_block();
  return sum;
}

template <typename T>
__device__ inline T block_max(T value, T* scratch) {
  const T of_warp = warp_max(value);
  if (lane_index() == 0) scratch[warp_index()] = of_warp;
  sync_block();
  T max = scratch[0];
  const int num_warps = static_cast<int>(blockDim.x) / kWarpSize;
  for (int warp = 1; warp < num_warps; ++warp) max = max > scratch[warp] ? max : scratch[warp];
  sync_block();
  return max;
}

}  // namespace gesso::cuda
