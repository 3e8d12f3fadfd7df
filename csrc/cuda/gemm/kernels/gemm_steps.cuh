// How a block walks over k. In each step's turn it starts copies for later steps, decodes the weights of the next step,
// and multiplies this step.
#pragma once

#include "cuda/block/ring.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/gemm/gemm_work.cuh"

namespace gesso::cuda {

// Whether this thread takes part in decoding a step. In a block with wide tiles two groups take turns.
template <int kRows>
__device__ inline bool decodes_step(int step) {
  constexpr int kGroups = gemm_threads(kRows) / kGemmThreads;
  return kGroups == 1 || ring_slot<kGroups>(step) == static_cast<int>(threadIdx.x) / kGemmThreads;
}

// copy(step) starts the copies that belong to a step's turn. They are used more than kInFlight steps later. (The caller
// has started those for the first steps.) decode(step) makes a step's weights ready, and multiply(step) uses them.
// There is one barrier per step. Behind it the step's copies and decoded weights are complete, and the memory of the
// step before is free.
template <int kInFlight, typename Copy, typename Decode, typename Multiply>
__device__ inline void walk_steps(const TileWork& work, const Copy& copy, const Decode& decode,
                                  const Multiply& multiply) {
  const auto begin_turn = [&](int step) {
    wait_copies<kInFlight>();
    sync_block();
    copy(step);
    commit_copies();
  };
  for (int i = 0; i <= kInFlight; ++i) commit_copies();  // all copies that the caller started are in the oldest group
  begin_turn(work.first_step - 1);
  decode(work.first_step);
  for (int step = work.first_step; step < work.end_step; ++step) {
    begin_turn(step);
    // In the last step this decodes whatever lies there, and nobody uses it. Without a branch for that step, a thread
    // of a narrow tile can decode and multiply side by side.
    decode(step + 1);
    multiply(step);
  }
  sync_block();  // all is read before the copies of the next tile begin
}

}  // namespace gesso::cuda
