// Attention for the heads of the model on 9.0, with the instructions of a warpgroup.
//
// A block has two warpgroups, and walks over the keys of its part, 32 at a time. A group has 64 queries in registers.
// It computes their scores with the keys, and with the weights that follow from these it sums 256 dims of the values:
//   heads of up to 256 dims, keys stored whole       each group has other queries
//   heads of 512 dims, one copy of keys and values   both groups have the same queries. Each multiplies half of a key's
//                                                    dims, and the groups swap their scores
// Keys and values are read as they were copied: for the scores the inner dimension lies side by side, for the sums the
// values lie transposed. Where one copy serves both, a tile of values is read in both ways.
//
// While the weights of a step are multiplied with its values, which needs no thread, the threads turn the scores of the
// next step into weights. The kernel is bound by its products, and by the bytes that blocks read from the L2 cache.
#include "cuda/attention/attention_parts.cuh"
#include "cuda/device/access.h"
#include "cuda/device/launch.h"
#include "cuda/device/wgmma.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

constexpr int kGroupWarps = 4;
constexpr int kNoWindow = 1 << 30;
constexpr int kSliceTiles = kWgmmaDims / kSwizzledColumns;  // of values

template <int kPaddedDim>
struct GroupTile {
  static constexpr int kDim = kPaddedDim;
  static constexpr int kSlices = kDim / kWgmmaDims;
  static constexpr int kKeys = kWgmmaKeys;
  static constexpr bool kHasOneCopy = kSlices == 2;
  static constexpr int kSliceDims = kWgmmaDims;
  static constexpr int kWarps = 2 * kGroupWarps;
  static constexpr int kThreads = kWarps * kWarpSize;
  static constexpr int kQueries = wgmma_queries(kSlices);
  static constexpr int kMaxParts = 4;
  using Rows = SwizzledRows<wgmma_key_dims(kDim), kKeys>;
};

// How a block uses its shared memory. It begins at a multiple of kSwizzledTileAlignment.
template <typename Tile>
struct GroupMemory {
  static constexpr int kStageBytes = wgmma_stage_bytes(Tile::kDim);

  std::byte* shared;

  __device__ std::byte* stage(int number) const { return shared + number % kWgmmaStages * kStageBytes; }
  // Of the calling thread's group. The weights of even steps are in columns 0 to 31, those of odd steps behind them.
  __device__ std::byte* weights() const {
    return shared + kWgmmaStages * kStageBytes + thread_index_anew() / (kGroupWarps * kWarpSize) * kWgmmaWeightBytes;
  }
  __device__ ScoreFragment* exchange() const {
    return reinterpret_cast<ScoreFragment*>(shared + kWgmmaStages * kStageBytes + 2 * kWgmmaWeightBytes);
  }
};

// A group's warps are neighbours. Where the groups have other queries, their bands follow one another.
template <typename Tile>
__device__ ThreadPlace group_place() {
  constexpr int kBandsOfTile = Tile::kQueries / kBandQueries;
  const int thread = thread_index_anew(), warp = thread / kWarpSize;
  return {thread % kWarpSize, warp % kBandsOfTile, warp / kBandsOfTile};
}

// The slice of a warp, in a way that shows the compiler that all its threads have the same.
template <typename Tile>
__device__ int group_slice() {
  return Tile::kSlices == 1 ? 0 : shuffle(group_place<Tile>().slice, 0);
}

// Where the first step of the block's part of the keys, blockIdx.z, begins. The step of a position is its number
// divided by the keys of a step. Steps belong to the parts in turn, so a key's part depends on its position alone.
// There are 1, 2 or 4 parts.
template <typename Tile>
__device__ int first_of_part(int position) {
  const int step = position / Tile::kKeys, parts = static_cast<int>(gridDim.z);
  return (step + ((static_cast<int>(blockIdx.z) - step) & (parts - 1))) * Tile::kKeys;
}

// A thread's sums, as the products leave them: those of fragment n are 4n to 4n + 3.
template <typename Tile>
using ScoreSums = float[Tile::kKeys / 2];
using OutputSums = float[kWgmmaDims / 2];

// Issues the product of a group's queries with the keys of a stage: the scores of the slice's dims.
template <typename Tile>
__device__ void issue_scores(const QueryFragments<Tile>& q, const std::byte* stage, ScoreSums<Tile>& sums) {
  using Rows = typename Tile::Rows;
  const int slice = group_slice<Tile>();
  const WgmmaOperand keys = of_warp(wgmma_operand(stage, 0));
  // Where keys are stored in part, the first tile of a half is among the keys, and the others are among the values.
  const WgmmaOperand half_in_keys = further_on(keys, slice * Rows::kTileBytes);
  const WgmmaOperand half_in_values = further_on(keys, Rows::kValuesBegin + slice * kSliceTiles * Rows::kTileBytes);
  wgmma_fence();
#pragma unroll
  for (int h = 0; h < kHalves<Tile>; ++h) {
#pragma unroll
    for (int step = 0; step < kHalfSteps<Tile>; ++step) {
      const int dim = h * Tile::kDim / 2 + step * kStepDims;
      const int offset = dim / kSwizzledColumns * Rows::kTileBytes + dim % kSwizzledColumns * 2;
      const WgmmaOperand first = !Tile::kHasOneCopy ? keys : dim < kSwizzledColumns ? half_in_keys : half_in_values;
      wgmma_bf16(sums, q.a[h][step], further_on(first, offset), h + step > 0);
    }
  }
  wgmma_commit();
}

// Issues sums += weights . values of a step, for the slice's dims.
template <typename Tile>
__device__ void issue_sums(const GroupMemory<Tile>& memory, int number, OutputSums& sums) {
  using Rows = typename Tile::Rows;
  const std::byte* values =
      memory.stage(number) + Rows::kValuesBegin + group_slice<Tile>() * kSliceTiles * Rows::kTileBytes;
  const WgmmaOperand a = of_warp(wgmma_operand(memory.weights(), number % 2 * (Tile::kKeys / kStepDims)));
  const WgmmaOperand b = of_warp(wgmma_transposed(values, Rows::kTileBytes));
  wgmma_fence();
#pragma unroll
  for (int step = 0; step < Tile::kKeys / kStepDims; ++step) {
    wgmma_bf16_transposed(sums, further_on(a, 2 * step * kStepDims),
                          further_on(b, step * kStepDims * kSwizzledRowBytes));
  }
  wgmma_commit();
}

// Turns the scores of a step into weights in shared memory. `ends` are those of the keys that the lane's queries see.
// The stores also keep ptxas from moving the next wait for products in front of this work.
template <typename Tile>
__device__ void weigh(const AttentionArguments& a, const GroupMemory<Tile>& memory, int number, int position, int begin,
                      const int (&ends)[2], const ScoreSums<Tile>& sums, RunningSoftmax& softmax) {
  const ThreadPlace place = group_place<Tile>();
  Scores<Tile> scores;
#pragma unroll
  for (int i = 0; i < Tile::kKeys / 2; ++i) scores[i / 4][i % 4] = sums[i];
  add_slices<Tile>(memory.exchange(), place, scores);
  const int window = a.is_causal && a.window > 0 ? a.window : kNoWindow;
  KeyRange seen[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) seen[i] = {std::max(begin, anew(ends[i]) - window), anew(ends[i])};
  mask_scores<Tile>(seen, position, place, scores);

  const int query = thread_index_anew() % (kGroupWarps * kWarpSize) / kWarpSize * kBandQueries + place.lane / 4;
  const int offset = swizzled_offset(query, number % 2 * (Tile::kKeys / kStepKeys)) + place.lane % 4 * 4;
  std::byte* weights = memory.weights();
  softmax.step<Tile>(scores, [&](int n, int row, uint32_t pair) {
    store_to(weights + pieces_on(offset, n) + 8 * row * kSwizzledRowBytes, pair);
  });
}

// q, out [R, H, K].   grid (tiles, G, parts). Shared memory holds 4 stages of keys and values, the weights, and the
// exchange of scores: 145 KB for heads of 256 dims, 193 KB for heads of 512.
// ptxas: <= 255 registers; HGMMA, LDGSTS
template <typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, 1) attention_wgmma_kernel(const AttentionArguments a) {
  wait_for_earlier_kernels();
  const TilePlace tile = find_tile(a, Tile::kQueries);
  if (!tile.sequence) return;
  std::byte* shared = shared_memory<std::byte>();
  shared += (kSwizzledTileAlignment - shared_address(shared) % kSwizzledTileAlignment) % kSwizzledTileAlignment;
  const GroupMemory<Tile> memory = {shared};

  const KeyRange range = seen_by_tile(a, tile, Tile::kQueries);
  const int first = first_of_part<Tile>(range.begin), distance = static_cast<int>(gridDim.z) * Tile::kKeys;
  KeyCopies<Tile> copies;
  const auto start_copies = [&](int position, int number) {
    if (position < range.end) {
      copies.start(a, *tile.sequence, range, position, position + distance, memory.stage(number));
    }
    commit_copies();
  };
#pragma unroll 1
  for (int number = 0; number < kWgmmaStages - 1; ++number) start_copies(first + number * distance, number);
  const ThreadPlace place = group_place<Tile>();
  const LaneQueries queries(a, tile, place);
  const int ends[2] = {queries.seen(a, 0).end, queries.seen(a, 1).end};
  QueryFragments<Tile> q;
  q.load({queries.head(a, 0).in(a.q, a.q_stride), queries.head(a, 1).in(a.q, a.q_stride)}, place, a.half, a.head_dim);

  OutputSums sums = {};
  ScoreSums<Tile> scores;
  RunningSoftmax softmax;
  if (first < range.end) {
    wait_copies<kWgmmaStages - 2>();
    fence_async_proxy();
    sync_block();
    issue_scores<Tile>(q, memory.stage(0), scores);
    wgmma_finish(scores);
    weigh<Tile>(a, memory, 0, first, range.begin, ends, scores, softmax);
    int number = 0;  // of the step whose weights are there
    for (int position = first + distance; position < range.end; position += distance, ++number) {
      wait_copies<kWgmmaStages - 3>();
      fence_async_proxy();
      // Now the keys at `position` have arrived, the weights of all threads are there, and older stages are free.
      sync_block();
      issue_scores<Tile>(q, memory.stage(number + 1), scores);
      issue_sums<Tile>(memory, number, sums);
      start_copies(position + (kWgmmaStages - 2) * distance, number + kWgmmaStages - 1);
      wgmma_finish<1>(scores);
      weigh<Tile>(a, memory, number + 1, position, range.begin, ends, scores, softmax);
      wgmma_finish(sums);
      if (softmax.needs_correction()) {
#pragma unroll
        for (int i = 0; i < kWgmmaDims / 2; ++i) sums[i] *= softmax.correction[i / 2 % 2];
      }
    }
    fence_async_proxy();
    sync_block();
    issue_sums<Tile>(memory, number, sums);
    wgmma_finish(sums);
  }
  softmax.finish();
  OutputFragments<Tile> out;
#pragma unroll
  for (int i = 0; i < kWgmmaDims / 2; ++i) out.d[i / 4][i % 4] = sums[i];
  const ThreadPlace result_place = group_place<Tile>();
  const LaneQueries results(a, find_tile(a, Tile::kQueries), result_place);
  if (gridDim.z > 1 && !join_parts<Tile>(a, results, result_place, softmax, out)) return;
  out.store(a, softmax.sum, results, result_place);
}

template <int kDim>
void launch_dim(const Queue& queue, const AttentionPlan& plan, AttentionArguments a) {
  using Tile = GroupTile<kDim>;
  a.half = kDim / 2;
  const dim3 grid(static_cast<unsigned>(plan.grid_x), static_cast<unsigned>(plan.grid_y),
                  static_cast<unsigned>(plan.grid_z));
  launch("attention", {grid, Tile::kThreads, plan.shared_bytes, queue.stream()}, attention_wgmma_kernel<Tile>, a);
}

}  // namespace

void launch_attention_wgmma(const Queue& queue, const AttentionPlan& plan, const AttentionArguments& a) {
  plan.sums.dim == kWgmmaDims ? launch_dim<256>(queue, plan, a) : launch_dim<512>(queue, plan, a);
}

}  // namespace gesso::cuda
