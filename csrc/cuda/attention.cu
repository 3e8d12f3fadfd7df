// Flash attention. A tile is 64 queries that share one key-value head: all query heads of one row, then of the next
// row. A block walks over the keys that any query of its tile sees, so keys and values are read once for a group of
// heads, and scores never leave the block. On a GPU that a canvas would not fill, two blocks share a tile, and each
// takes a part of the keys. The kernel is bound by operations where a sequence has as many rows as a canvas. It is
// bound by the bytes of keys and values where a sequence has few rows.
//
// The order in which a query sums its keys depends on their positions and the GPU alone. Steps begin at multiples of
// kKeys, a step's number says which part it belongs to, and keys that the query does not see change nothing. So its
// result does not depend on the queries beside it, or on how a prompt was cut into passes.
//
// attention/attention_plan.h chooses the kernel and how the keys are cut into parts. The heads of the model have one of
// their own on 9.0, in attention/attention_wgmma_sm90a.cu.
#include <algorithm>
#include <iterator>
#include <utility>

#include "core/profile.h"
#include "cuda/attention/attention_keys.cuh"
#include "cuda/attention/attention_parts.cuh"
#include "cuda/attention/attention_plan.h"
#include "cuda/attention/attention_warp.cuh"
#include "cuda/device/launch.h"
#include "cuda/gemm/gemm.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

// q, out [R, H, K].   grid (tiles, G, parts). Shared memory holds 2 stages of keys and values, and the exchange of
// scores. In the model's layers that is 82 KB (sliding; 164 KB with steps of 64 keys) and 73 KB (full). Where heads are
// wider than 256, a thread needs all 255 registers.
// ptxas: <= 255 registers; HMMA, LDSM, LDGSTS
template <typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, 1) attention_kernel(const AttentionArguments a) {
  wait_for_earlier_kernels();
  const TilePlace tile = find_tile(a, Tile::kQueries);
  if (!tile.sequence) return;
  std::byte* stages = shared_memory<std::byte>();
  constexpr int kBytes = stage_bytes(Tile::kDim, Tile::kKeys);
  ScoreFragment* exchange = reinterpret_cast<ScoreFragment*>(stages + kStages * kBytes);

  const ThreadPlace first_place = find_thread_place<Tile>();
  const LaneQueries queries(a, tile, first_place);
  QueryFragments<Tile> q;
  q.load({queries.head(a, 0).in(a.q, a.q_stride), queries.head(a, 1).in(a.q, a.q_stride)}, first_place, a.half,
         a.head_dim);
  const KeyRange seen[2] = {queries.seen(a, 0), queries.seen(a, 1)};
  const KeyRange range = seen_by_tile(a, tile, Tile::kQueries);
  using Steps = StepsOfPart<Tile>;
  OutputFragments<Tile> out;
  RunningSoftmax softmax;
  KeyCopies<Tile> copies;
  int first = Steps::begin(a, range.begin), next = Steps::after(a, first);
  if (first < range.end) copies.start(a, *tile.sequence, range, first, next, stages);
  commit_copies();
  for (int offset = 0; first < range.end; first = next, next = Steps::after(a, next), offset = kBytes - offset) {
    const std::byte* stage = stages + offset;
    wait_copies<0>();
    sync_block();  // this stage has arrived, and no thread reads the other any more
    if (next < range.end) {
      copies.start(a, *tile.sequence, range, next, Steps::after(a, next), stages + kBytes - offset);
    }
    commit_copies();
    if (!ballot(seen[0].overlaps(first, Tile::kKeys) || seen[1].overlaps(first, Tile::kKeys))) continue;
    // Wide heads leave no registers for what follows from the place.
    const ThreadPlace place = Tile::kDim > 256 ? find_thread_place<Tile>() : first_place;
    Scores<Tile> scores = {};
    Weights<Tile> weights;
    multiply_keys<Tile>(a, q, stage, place, scores);
    add_slices<Tile>(exchange, place, scores);
    mask_scores<Tile>(seen, first, place, scores);
    softmax.step<Tile>(scores, [&](int n, int row, uint32_t pair) { weights[n / 2][n % 2 * 2 + row] = pair; });
    if (softmax.needs_correction()) out.scale(softmax.correction);
    out.add(weights, stage + kBytes / 2, place);
  }
  softmax.finish();
  const ThreadPlace place = find_thread_place<Tile>();
  const LaneQueries results(a, find_tile(a, Tile::kQueries), place);
  if (gridDim.z == 2 && !join_parts<Tile>(a, results, place, softmax, out)) return;
  out.store(a, softmax.sum, results, place);
}

AttentionArguments attention_arguments(const ops::AttentionArguments& op) {
  const ops::KeyValueLayout& layout = op.layout;
  AttentionArguments a{};
  a.q = op.q.data;
  a.q_stride = op.q.stride;
  a.out = op.out.data;
  a.out_stride = op.out.stride;
  a.sequences = op.sequences.device;
  a.num_sequences = static_cast<int>(op.sequences.size());
  a.head_dim = static_cast<int>(layout.head_dim);
  a.group = static_cast<int>(op.q.columns / layout.head_dim / layout.num_key_value_heads);
  a.is_causal = op.mode == ops::AttentionMode::kCausal;
  constexpr int64_t kNoLimit = 1 << 30;  // past every position; subtracting it from a position does not overflow
  a.window = static_cast<int>(std::min(op.window, kNoLimit));
  a.key_row_bytes = static_cast<int>(layout.key_row_bytes);
  a.value_row_bytes = static_cast<int>(layout.value_row_bytes);
  a.key_head_bytes = static_cast<int>(layout.key_row_bytes / layout.num_key_value_heads);
  a.value_head_bytes = static_cast<int>(layout.value_row_bytes / layout.num_key_value_heads);
  return a;
}

// Whether the kernel can round its result. It rounds 32 columns of a head together, and writes no zeros behind a row.
bool can_pack(const Context& context, const ops::AttentionArguments& op) {
  if (op.rounding.slot < 0) return false;
  const bool is_whole = op.layout.head_dim % 32 == 0 && op.out.columns % kStepColumns == 0;
  return is_whole && !needs_whole_rows(packed_rows(context, op.out, op.rounding).format);
}

// The kernel for the index-th line of kAttentionSums.
template <int kIndex>
void launch_sums(const Queue& queue, const AttentionPlan& plan, AttentionArguments a,
                 const ops::KeyValueLayout& layout) {
  constexpr AttentionSums kSums = kAttentionSums[kIndex];
  a.half = layout.has_one_copy ? static_cast<int>(layout.head_dim / 2) : kSums.dim / 2;
  a.half_in_keys = layout.has_one_copy ? static_cast<int>(layout.num_rotated) : kSums.dim / 2;
  const dim3 grid(plan.grid_x, plan.grid_y, plan.grid_z);
  const auto launch_tile = [&]<typename Tile>(Tile) {
    launch("attention", {grid, Tile::kThreads, plan.shared_bytes, queue.stream()}, attention_kernel<Tile>, a);
  };
  if constexpr (has_one_copy_kernel(kSums)) {
    if (layout.has_one_copy) return launch_tile(AttentionTile<kSums.dim, kSums.slices, kSums.keys, true>());
  }
  launch_tile(AttentionTile<kSums.dim, kSums.slices, kSums.keys, false>());
}

bool is_same_kernel(const AttentionSums& a, const AttentionSums& b) { return a.dim == b.dim && a.keys == b.keys; }

template <int... kIndices>
void launch_plan(std::integer_sequence<int, kIndices...>, const Queue& queue, const AttentionPlan& plan,
                 const AttentionArguments& a, const ops::KeyValueLayout& layout) {
  static_cast<void>(
      ((is_same_kernel(plan.sums, kAttentionSums[kIndices]) && (launch_sums<kIndices>(queue, plan, a, layout), true)) ||
       ...));
}

}  // namespace

void attention(const Context& context, const ops::AttentionArguments& op) {
  AttentionArguments a = attention_arguments(op);
  const bool is_packed_here = can_pack(context, op);
  if (is_packed_here) a.packed = PackedTarget(packed_rows(context, op.out, op.rounding));
  const ops::KeyValueLayout& layout = op.layout;
  const int64_t rows = op.q.rows;
  if (rows == 0) return;
  const AttentionShape shape = {layout.head_dim, op.q.columns / layout.head_dim, layout.num_key_value_heads,
                                layout.has_one_copy, layout.num_rotated};
  Queue& queue = *context.queue;
  const AttentionPlan plan = plan_attention(queue.properties(), shape, rows, a.num_sequences);
  constexpr int kNoPeriod = 1 << 30;
  a.period = plan.sums.period > 0 ? plan.sums.period : kNoPeriod;
  a.per_period = static_cast<uint32_t>(((uint64_t{1} << 32) - 1) / static_cast<uint64_t>(a.period) + 1);
  if (plan.grid_z > 1) {
    const int64_t joins = num_joins(plan.grid_z) * plan.num_tiles(), softmaxes = 2 * joins * plan.sums.queries();
    const int64_t more_sums = plan.grid_z > 2 ? rows * a.out_stride : 0;
    a.counters = queue.counters(2 * joins);
    a.softmaxes = queue.scratch<float>(Scratch::kAttention, softmaxes + more_sums);
    a.more_sums = a.softmaxes + softmaxes;
  }
  if (context.profile) context.profile->note_plan(describe(plan));
  constexpr int kCount = static_cast<int>(std::size(kAttentionSums));
  if (plan.sums.is_wgmma) {
    launch_attention_wgmma(queue, plan, a);
  } else {
    launch_plan(std::make_integer_sequence<int, kCount>(), queue, plan, a, layout);
  }
  if (!is_packed_here) fill_slot(context, op.out, op.rounding);
}

}  // namespace gesso::cuda
