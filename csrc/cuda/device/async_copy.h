// Copies from global to shared memory that run beside the computation (cp.async). The copies that a thread starts
// between two calls of commit_copies form a group. wait_copies waits for the calling thread's own copies only; a
// barrier makes them visible to the other threads of the block.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

__device__ inline uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

// Copies 16 bytes. Both addresses must be multiples of 16. Where `valid` is false, zeros arrive and `global` is not
// read. The copy does not go through the L1 cache, so it suits data that a block reads once.
__device__ inline void copy_async_16(void* shared, const void* global, bool valid = true) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid ? 16 : 0)
               : "memory");
}

// The same where `condition` is true. Otherwise nothing is copied, and the bytes in shared memory stay as they are.
// This is one instruction, without a branch around it. So the addresses of all copies of a thread are computed once,
// and do not depend on the conditions of the others.
__device__ inline void copy_async_16_if(bool condition, void* shared, const void* global) {
  asm volatile(
      "{\n"
      ".reg .pred copies;\n"
      "setp.ne.s32 copies, %2, 0;\n"
      "@copies cp.async.cg.shared.global [%0], [%1], 16;\n"
      "}" ::"r"(shared_address(shared)),
      "l"(global), "r"(static_cast<int>(condition))
      : "memory");
}

// Closes the thread's current group of copies. The group may be empty.
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most the `kInFlight` youngest groups of this thread are unfinished.
template <int kInFlight>
__device__ inline void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kInFlight) : "memory");
}

}  // namespace gesso::cuda
