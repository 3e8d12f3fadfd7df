// Copies from global to shared memory that one thread starts (cp.async.bulk), for a pair of blocks, and the barriers in
// shared memory that say when they have arrived (mbarrier). Only files that are compiled for sm_90a alone (*_sm90a.cu)
// may use them.
//
// A *pair* is two neighbouring blocks of a grid, 2i and 2i + 1. They run at the same time, and one can write to the
// shared memory of the other (a cluster of two). A kernel with __cluster_dims__(2, 1, 1) has pairs. Both blocks must
// use their shared memory alike: what the same call names lies at the same place in both. They must make the same
// calls that end with _pair, since a call of one block counts on that of the other. Before they end they call
// sync_pair() once more, since the memory of a block that has ended must not be written.
//
// A CopyBarrier has phases, numbered from 0. A phase ends when as many arrivals have come as begin_barrier says, and as
// many bytes as these arrivals expect. Example of a slot for copies, with a barrier `there` of one arrival:
//   one thread      arrive_and_expect(there, 4096); copy_to_pair(.., there)   in both blocks
//   other warps     wait_for_phase(there, 0)                                  then they may read the slot
// Whoever has waited for a phase sees the bytes that have come, and all that threads wrote before they arrived. So it
// does as a barrier of threads, where nobody waits but for those who are late.
#pragma once

#include "cuda/device/async_copy.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

using CopyBarrier = uint64_t;  // in shared memory, at a multiple of 8 bytes

// One thread calls it before sync_pair().
__device__ inline void begin_barrier(CopyBarrier* barrier, int num_arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(num_arrivals) : "memory");
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

// Waits for all threads of both blocks. Behind it both have begun, and so have their barriers.
__device__ inline void sync_pair() {
  asm volatile("barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// 0 or 1: which block of its pair this one is.
__device__ inline int place_in_pair() {
  int place;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(place));
  return place;
}

__device__ inline void arrive(CopyBarrier* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

// Arrives, and lets the phase wait for `num_bytes` bytes of copies.
__device__ inline void arrive_and_expect(CopyBarrier* barrier, int num_bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(num_bytes)
               : "memory");
}

// Arrives at the barrier of this block, and at that of the other one. So both know that a slot of both was read.
__device__ inline void arrive_in_pair(CopyBarrier* barrier) {
#pragma unroll
  for (int block = 0; block < 2; ++block) {
    asm volatile(
        "{ .reg .b32 there; mapa.shared::cluster.u32 there, %0, %1; "
        "mbarrier.arrive.shared::cluster.b64 _, [there]; }" ::"r"(shared_address(barrier)),
        "r"(block)
        : "memory");
  }
}

// Waits until the phase has ended. Nobody may wait for a phase before the last one, since a barrier only knows whether
// its number is even. All lanes of a warp call it together.
__device__ inline void wait_for_phase(CopyBarrier* barrier, unsigned phase) {
  int has_ended;
  do {
    asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.b32 %0, 1, 0, p; }"
                 : "=r"(has_ended)
                 : "r"(shared_address(barrier)), "r"(phase % 2)
                 : "memory");
  } while (!has_ended);
}

// Copies 2 * num_bytes bytes to the same place in both blocks. Each block copies its half, and sends it to both. So
// each byte comes from the L2 cache once. The bytes count for the barriers of both blocks. `num_bytes` and both
// addresses are multiples of 16. One thread calls it.
__device__ inline void copy_to_pair(void* shared, const void* global, int num_bytes, CopyBarrier* barrier) {
  const int begin = place_in_pair() * num_bytes;
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1], %2, [%3], "
      "%4;" ::"r"(shared_address(shared) + begin),
      "l"(static_cast<const char*>(global) + begin), "r"(num_bytes), "r"(shared_address(barrier)),
      "h"(static_cast<uint16_t>(3))
      : "memory");
}

}  // namespace gesso::cuda
