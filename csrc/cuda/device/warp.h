// Exchange between the 32 lanes of a warp. Every lane must take part in every call, so no call may stand under a
// condition that differs within the warp. T is float, int32_t or uint32_t.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

constexpr uint32_t kFullWarp = 0xffffffffu;

// The value of lane `lane`, 0..31.
template <typename T>
__device__ inline T shuffle(T value, int lane) {
  return __shfl_sync(kFullWarp, value, lane);
}

// The value of the lane whose number differs from the caller's in the bits of `mask`: with mask 1, lanes 2 and 3 swap.
template <typename T>
__device__ inline T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(kFullWarp, value, mask);
}

// Bit i of the result is the predicate of lane i.
__device__ inline uint32_t ballot(bool predicate) { return __ballot_sync(kFullWarp, predicate); }

}  // namespace gesso::cuda
