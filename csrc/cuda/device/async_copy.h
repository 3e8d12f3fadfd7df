// Copies from global to shared memory that run beside the computation (cp.async). A thread's copies form groups: what
// it started since its last commit_copies. wait_copies waits for the calling thread's own copies only; a barrier makes
// them visible to the others.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

__device__ inline uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

// 16 bytes, both addresses 16-byte aligned. Where `valid` is false zeros arrive and `global` is not read. Goes past
// L1: for what a block reads once.
__device__ inline void copy_async_16(void* shared, const void* global, bool valid = true) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid ? 16 : 0)
               : "memory");
}

// The same for 8 and 4 bytes, for rows that are not aligned to 16.
__device__ inline void copy_async_8(void* shared, const void* global, bool valid = true) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid ? 8 : 0)
               : "memory");
}

__device__ inline void copy_async_4(void* shared, const void* global, bool valid = true) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid ? 4 : 0)
               : "memory");
}

// Closes the group; it may be empty.
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most the `kInFlight` youngest groups are still on their way.
template <int kInFlight>
__device__ inline void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kInFlight) : "memory");
}

}  // namespace gesso::cuda
