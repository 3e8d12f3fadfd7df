// A row's log-sum and its tokens with the largest z, for the callers that ask for them. Kernels have an instance of
// their own for it, so that all others pay nothing.
#pragma once

#include <cmath>
#include <cstdint>

#include "cuda/device/barrier.h"
#include "cuda/device/warp.h"
#include "cuda/vocabulary/token_stats_chunk.h"
#include "ops/token_stats.h"

namespace gesso::cuda {

// Where they go.
struct MoreStats {
  float* log_sum;      // [R], or null where nobody asks
  ops::TopToken* top;  // [R, num_top]
  int32_t num_top;
};

// Of the rows from `first_row` on.
inline MoreStats more_stats(const ops::TokenStats& stats, int64_t first_row) {
  if (stats.log_sum.empty()) return {nullptr, nullptr, 0};
  const int64_t num_top = stats.num_top();
  ops::TopToken* top = num_top > 0 ? stats.top.data() + first_row * num_top : nullptr;
  return {stats.log_sum.data() + first_row, top, static_cast<int32_t>(num_top)};
}

// The best tokens of a row so far, the best first. Each lane has one of them, and all warps have the same.
class TopTokens {
 public:
  static_assert(ops::kMaxTopTokens == kWarpSize);

  __device__ TopTokens(const MoreStats& more, int64_t row) : top_(more.top + row * more.num_top), size_(more.num_top) {}

  // Goes on with what store() has written.
  __device__ void load() {
    if (lane_index() < size_) mine_ = {top_[lane_index()].z, top_[lane_index()].token};
  }
  __device__ void store() const {
    if (static_cast<int>(threadIdx.x) < size_) top_[threadIdx.x] = {mine_.value, mine_.token};
  }

  // Takes the best token of the chunk, then the next one, as long as it is better than the last of those so far. All
  // threads of the block take part. `first` is the chunk's first token; chunks come in the order of their tokens.
  __device__ void add(const Chunk& chunk, int32_t first, ChunkScratch& scratch) {
    Candidate last = {INFINITY, -1};
    while (size_ > 0) {
      const Candidate best = best_in_block(best_behind(chunk, first, last), scratch);
      if (!(best.value > shuffle(mine_.value, size_ - 1))) return;
      insert(best);
      last = best;
    }
  }

 private:
  // The best of a thread's tokens that come behind `last`: their z is lower, or it is equal and their id is higher.
  __device__ static Candidate best_behind(const Chunk& chunk, int32_t first, Candidate last) {
    Candidate best;
#pragma unroll
    for (int g = 0; g < kChunkGroups; ++g) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float z = chunk.z[g][i];
        const int32_t token = first + group_begin(g) + i;
        const bool is_behind = z < last.value || (z == last.value && token > last.token);
        if (is_behind && z > best.value) best = {z, token};
      }
    }
    return best;
  }

  __device__ static Candidate best_in_block(Candidate candidate, ChunkScratch& scratch) {
    Candidate best = better_in_warp(candidate);
    if (lane_index() == 0) scratch.argmax[warp_index()] = best;
    sync_block();
    const int num_warps = static_cast<int>(blockDim.x) / kWarpSize;
    for (int warp = 0; warp < num_warps; ++warp) best = better(best, scratch.argmax[warp]);
    sync_block();
    return best;
  }

  // Tokens of equal z have lower ids if they are there already, so they stay in front.
  __device__ void insert(Candidate candidate) {
    const int lane = lane_index(), before = lane > 0 ? lane - 1 : 0;
    const Candidate above = {shuffle(mine_.value, before), shuffle(mine_.token, before)};
    const bool goes_below = lane == 0 || above.value >= candidate.value;
    if (!(mine_.value >= candidate.value)) mine_ = goes_below ? candidate : above;
  }

  ops::TopToken* top_;
  int size_;
  Candidate mine_ = {-INFINITY, -1};
};

}  // namespace gesso::cuda
