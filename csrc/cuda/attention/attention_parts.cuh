// Joins the two parts of the keys, where each has a block of its own (attention_plan.h).
#pragma once

#include "cuda/attention/attention_warp.cuh"
#include "cuda/block/hand_over.h"

namespace gesso::cuda {

// Makes the sums of one part those of both. Returns false where the other block will do so. Sums go from block to block
// through `out`, which has room for them until the result is there. It does not matter which part is first: products
// are rounded before they are added, so both orders give the same bits.
template <typename Tile>
__device__ bool join_parts(const AttentionArguments& a, const LaneQueries& queries, const ThreadPlace& place,
                           RunningSoftmax& softmax, OutputFragments<Tile>& out) {
  const int tile = static_cast<int>(blockIdx.x + blockIdx.y * gridDim.x);
  const HandOver hand_over = {a.counters + 2 * tile};
  // Max and sum of the tile's queries. The four lanes of a query, and the slices of its head, have the same.
  float* of_lane = a.softmaxes + 2 * (tile * kTileQueries + place.band * kBandQueries + place.lane / 4);
  if (hand_over.comes_first(shared_memory<int32_t>())) {
    out.for_each(a, queries, place, [&](int, float* there, float sum) { *there = sum; });
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
  out.for_each(a, queries, place, [&](int row, const float* there, float& sum) {
    sum = rounded_product(sum, own[row]) + rounded_product(load_written(there), other[row]);
  });
  return true;
}

}  // namespace gesso::cuda
