// How a block walks over k. In the turn of a step it starts copies for later steps, decodes the weights of the next
// step, and multiplies this one.
#pragma once

#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/gemm/gemm_work.cuh"

namespace gesso::cuda {

// copy(step) starts the copies that belong to a step's turn; they are used more than kInFlight steps later. (The caller
// has started those for the first steps.) decode(step) makes a step's weights ready, multiply(step) uses them. There is
// one barrier per step: behind it the step's copies and decoded weights are there, and the memory that the step before
// used is free.
template <int kInFlight, typename Copy, typename Decode, typename Multiply>
__device__ inline void walk_steps(const TileWork& work, const Copy& copy, const Decode& decode,
                                  const Multiply& multiply) {
  const auto begin_turn = [&](int step) {
    wait_copies<kInFlight>();
    sync_block();
    copy(step);
    commit_copies();
  };
  for (int i = 0; i <= kInFlight; ++i) commit_copies();  // what was started is in the oldest group
  begin_turn(work.first_step - 1);
  decode(work.first_step);
  for (int step = work.first_step; step < work.end_step; ++step) {
    begin_turn(step);
    // In the last step this decodes whatever lies there, for nobody: without a branch, decoding and multiplying run
    // side by side in a thread.
    decode(step + 1);
    multiply(step);
  }
  sync_block();  // all is read before the next tile's copies begin
}

}  // namespace gesso::cuda
