// The work of a block of the attention kernel: which queries it has, and which keys these see.
#pragma once

#include <algorithm>

#include "cuda/attention/attention_memory.h"
#include "cuda/attention/attention_plan.h"
#include "cuda/attention/shared_rows.cuh"
#include "cuda/device/kernel.h"
#include "cuda/device/warp.h"
#include "cuda/gemm/gemm.h"
#include "ops/attention.h"

namespace gesso::cuda {

// How a block divides its work. Its queries are cut into bands of 16, and the dims of a head into one slice or two. A
// warp has one slice of one band. All warps walk over the keys together, kKeys at a time.
template <int kPaddedDim, int kSlicesOfDim, int kKeysOfStep, bool kOneCopy>
struct AttentionTile {
  static constexpr int kDim = kPaddedDim;
  static constexpr int kSlices = kSlicesOfDim;
  static constexpr int kKeys = kKeysOfStep;
  static constexpr bool kHasOneCopy = kOneCopy;  // of keys and values (ops/key_value_layout.h)
  static constexpr int kSliceDims = kDim / kSlices;
  static constexpr int kWarps = kBands * kSlices;
  static constexpr int kThreads = kWarps * kWarpSize;
  static constexpr int kQueries = kTileQueries;
  static constexpr int kMaxParts = 2;  // of the keys
  using Rows = PaddedRows<kDim, kKeys>;
};

struct AttentionArguments {
  const float* q;  // [R, H, K]
  int64_t q_stride;
  float* out;  // [R, H, K]
  int64_t out_stride;
  PackedTarget packed;  // where the result goes instead, rounded for a product; head_dim is a multiple of 32 then
  const ops::AttentionSequence* sequences;
  int num_sequences;
  // Where the keys have two parts (gridDim.z is 2): of so many steps the last belongs to the second part. Otherwise it
  // is more than there are steps. The kernel of warpgroups does not use it.
  int period;
  uint32_t per_period;  // 2^32 / period, rounded up
  int32_t* counters;    // [tiles, joins]: HandOver's
  float* softmaxes;  // [tiles, joins, queries of a tile, 2]: the maximum and the sum of a query over some of the keys
  float* more_sums;  // as `out`, for the sums of a second pair of parts
  int head_dim;      // K
  int group;         // query heads that share a key-value head
  bool is_causal;
  int window;  // used when causal; 0: there is no window
  int key_row_bytes;
  int value_row_bytes;
  int key_head_bytes;  // bytes of one head in a row
  int value_head_bytes;
  // Where one copy serves for keys and values, a key's dims have two halves, d < half and d >= half. The first
  // half_in_keys dims of each half are stored in the row of keys, those of the first half in front. The other dims are
  // stored in the row of values. Where keys are stored whole, all dims are in the row of keys.
  int half;
  int half_in_keys;
};

// Launches the kernel of attention_wgmma_sm90a.cu.
void launch_attention_wgmma(const Queue& queue, const AttentionPlan& plan, const AttentionArguments& a);

// The positions begin .. end - 1.
struct KeyRange {
  int begin, end;

  __device__ bool contains(int position) const { return begin <= position && position < end; }
  __device__ bool overlaps(int first, int count) const { return first < end && first + count > begin; }
};

// A sequence's queries are numbered row by row. Each row has `group` of them: the heads that share the key-value head
// of the block.
struct TilePlace {
  const ops::AttentionSequence* sequence;  // null: the block has nothing to do
  int first_query;
};

// The tiles are given to the sequences one after another. Each sequence gets as many as its rows need. (The host did
// not know the rows of each sequence when it sized the grid, so some are left over.)
__device__ inline TilePlace find_tile(const AttentionArguments& a, int tile_queries) {
  int tile = static_cast<int>(blockIdx.x);
  for (int s = 0; s < a.num_sequences; ++s) {
    const int num_queries = static_cast<int>(a.sequences[s].num_rows) * a.group;
    const int num_tiles = (num_queries + tile_queries - 1) / tile_queries;
    if (tile < num_tiles) return {a.sequences + s, tile * tile_queries};
    tile -= num_tiles;
  }
  return {nullptr, 0};
}

// The keys that at least one of the queries first .. last sees.
__device__ inline KeyRange seen_keys(const AttentionArguments& a, const ops::AttentionSequence& sequence, int first,
                                     int last) {
  const int begin = static_cast<int>(sequence.cached_begin), position = static_cast<int>(sequence.first_position);
  if (!a.is_causal) return {begin, position + static_cast<int>(sequence.num_rows)};
  const int window_begin = a.window > 0 ? position + first / a.group - a.window + 1 : begin;
  return {std::max(window_begin, begin), position + last / a.group + 1};
}

// The keys that at least one query of the block sees.
__device__ inline KeyRange seen_by_tile(const AttentionArguments& a, const TilePlace& tile, int tile_queries) {
  const int num_queries = static_cast<int>(tile.sequence->num_rows) * a.group;
  return seen_keys(a, *tile.sequence, tile.first_query, std::min(tile.first_query + tile_queries, num_queries) - 1);
}

// The steps of a block's part of the keys, blockIdx.z. All steps begin at multiples of kKeys, and a step's number says
// which part it belongs to. So a key's part depends on its position alone. Example: with steps of 32 keys and a period
// of 5, the keys 128 to 159 and 288 to 319 are in the second part.
template <typename Tile>
struct StepsOfPart {
  // Where the first step of the part begins whose number is not below that of `step`.
  static __device__ int from(const AttentionArguments& a, int step) {
    const int periods = static_cast<int>(static_cast<uint64_t>(step) * a.per_period >> 32);  // step / period
    const int to_last = a.period - 1 - (step - periods * a.period);
    return (step + (blockIdx.z == 0 ? (to_last == 0 ? 1 : 0) : to_last)) * Tile::kKeys;
  }
  static __device__ int begin(const AttentionArguments& a, int position) { return from(a, position / Tile::kKeys); }
  static __device__ int after(const AttentionArguments& a, int first) { return from(a, first / Tile::kKeys + 1); }
};

// What of a block's work belongs to a thread.
struct ThreadPlace {
  int lane, band, slice;
};

// The compiler does not know that each call gives the same. So what follows from the place takes no registers from one
// call to the next.
template <typename Tile>
__device__ ThreadPlace find_thread_place() {
  const int thread = thread_index_anew(), warp = thread / kWarpSize;
  return {thread % kWarpSize, warp / Tile::kSlices, warp % Tile::kSlices};
}

struct HeadPlace {
  int64_t row, column;

  template <typename T>
  __device__ T* in(T* rows, int64_t stride) const {
    return rows + row * stride + column;
  }
};

// The two queries of a lane.
struct LaneQueries {
  const ops::AttentionSequence& sequence;
  int query[2];
  int num_queries;

  __device__ LaneQueries(const AttentionArguments& a, const TilePlace& tile, const ThreadPlace& place)
      : sequence(*tile.sequence), num_queries(static_cast<int>(tile.sequence->num_rows) * a.group) {
    query[0] = tile.first_query + place.band * kBandQueries + place.lane / 4;
    query[1] = query[0] + 8;
  }

  __device__ bool exists(int i) const { return query[i] < num_queries; }
  // The query's row, and the column where its head begins. For a query that does not exist it is the head of another
  // query.
  __device__ HeadPlace head(const AttentionArguments& a, int i) const {
    const int index = exists(i) ? query[i] : 0;
    const int head = static_cast<int>(blockIdx.y) * a.group + index % a.group;
    return {sequence.first_row + index / a.group, static_cast<int64_t>(head) * a.head_dim};
  }
  // A query that does not exist sees nothing.
  __device__ KeyRange seen(const AttentionArguments& a, int i) const {
    return exists(i) ? seen_keys(a, sequence, query[i], query[i]) : KeyRange{0, 0};
  }
};

}  // namespace gesso::cuda
