// Joins the parts of the keys, where each has a block of its own (attention_plan.h).
#pragma once

#include "cuda/attention/attention_warp.cuh"
#include "cuda/block/hand_over.h"

namespace gesso::cuda {

// Makes the sums of one block those of two. Returns false where the other block will do so. `join` is the number of
// this join among those of the tile. Sums go from block to block through memory like `out`: one of the blocks gives
// them in `given`, the other one finds them in `taken`. It does not matter which block is first: products are rounded
// before they are added, so both orders give the same bits.
template <typename Tile>
__device__ bool join_two(const AttentionArguments& a, int join, float* given, float* taken, const LaneQueries& queries,
                         const ThreadPlace& place, RunningSoftmax& softmax, OutputFragments<Tile>& out) {
  const HandOver hand_over = {a.counters + 2 * join};
  // Max and sum of the tile's queries. The four lanes of a query, and the slices of its head, have the same.
  float* of_lane = a.softmaxes + 2 * (join * Tile::kQueries + place.band * kBandQueries + place.lane / 4);
  if (hand_over.comes_first(shared_memory<int32_t>())) {
    out.for_each(a, given, queries, place, [&](int, float* there, float sum) { *there = sum; });
    if (place.slice == 0 && place.lane % 4 == 0) {
#pragma unroll
      for (int row = 0; row < 2; ++row) {
        of_lane[16 * row] = softmax.max[row];
        of_lane[16 * row + 1] = softmax.sum[row];
      }
    }
    hand_over.give();
    return false;
  }
  hand_over.take();
  float own[2], other[2];
#pragma unroll
  for (int row = 0; row < 2; ++row) {
    softmax.join(row, load_written(of_lane + 16 * row), load_written(of_lane + 16 * row + 1), own[row], other[row]);
  }
  out.for_each(a, taken, queries, place, [&](int row, const float* there, float& sum) {
    sum = rounded_product(sum, own[row]) + rounded_product(load_written(there), other[row]);
  });
  return true;
}

// Makes the sums of one part those of all. Returns false where another block will do so. Two parts are a pair. Of four
// parts there are two pairs: the first one joins in `out`, which has room until the result is there, the second one in
// more_sums. Then the last block of each pair joins with that of the other. The order of the sums is that of a tree.
template <typename Tile>
__device__ bool join_parts(const AttentionArguments& a, const LaneQueries& queries, const ThreadPlace& place,
                           RunningSoftmax& softmax, OutputFragments<Tile>& out) {
  const int tile = static_cast<int>(blockIdx.x + blockIdx.y * gridDim.x);
  if constexpr (Tile::kMaxParts == 2) {
    return join_two(a, tile, a.out, a.out, queries, place, softmax, out);
  } else {
    const bool is_second = blockIdx.z >= 2;
    float* own = is_second ? a.more_sums : a.out;
    const int join = num_joins(static_cast<int>(gridDim.z)) * tile;
    if (!join_two(a, join + (is_second ? 1 : 0), own, own, queries, place, softmax, out)) return false;
    if (gridDim.z == 2) return true;
    return join_two(a, join + 2, own, is_second ? a.out : a.more_sums, queries, place, softmax, out);
  }
}

}  // namespace gesso::cuda
