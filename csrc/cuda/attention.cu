// Flash attention. A block takes 64 or 32 queries that share one key-value head: all query heads of one row, then of
// the next row. It walks over the keys that any of its queries sees. So keys and values are read once for a group of
// heads, and scores never leave the block. The kernel is bound by operations where a sequence has as many rows as a
// canvas. It is bound by the bytes of keys and values where a sequence has few rows.
//
// The order in which a query sums its keys depends on their positions alone. Steps begin at multiples of kKeys, and
// keys that the query does not see change nothing. So its result does not depend on the queries beside it, on how a
// prompt was cut into passes, or on the number of queries of a block.
#include <algorithm>

#include "core/check.h"
#include "cuda/attention/attention_warp.cuh"
#include "cuda/device/launch.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

// q, out [R, H, K].   grid (tiles, G). Shared memory holds 2 stages of keys and values, and the exchange of scores. In
// the model's layers that is 82 KB (sliding) and 49 KB (full); it is at most 82 KB. Where heads are wider than 256, a
// thread needs all 255 registers; otherwise it needs fewer than 192.
// ptxas: <= 255 registers; HMMA, LDSM, LDGSTS
template <typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, 1) attention_kernel(const AttentionArguments a) {
  const TilePlace tile = find_tile(a, Tile::kQueries);
  if (!tile.sequence) return;
  std::byte* stages = shared_memory<std::byte>();
  const int bytes = stage_bytes<Tile>(a.key_tile_bytes);
  ScoreFragment* exchange = reinterpret_cast<ScoreFragment*>(stages + kStages * bytes);

  const LaneQueries queries(a, tile, find_thread_place<Tile>());
  QueryFragments<Tile> q;
  q.load({queries.head(a, 0, a.q, a.q_stride), queries.head(a, 1, a.q, a.q_stride)}, find_thread_place<Tile>(), a.half,
         a.head_dim);
  const KeyRange seen[2] = {queries.seen(a, 0), queries.seen(a, 1)};
  const KeyRange range = seen_by_tile<Tile>(a, tile);
  OutputFragments<Tile> out;
  RunningSoftmax softmax;
  int first = range.begin / Tile::kKeys * Tile::kKeys;
  load_keys<Tile>(a, *tile.sequence, range, first, stages);
  commit_copies();
  for (int offset = 0; first < range.end; first += Tile::kKeys, offset = bytes - offset) {
    const std::byte* stage = stages + offset;
    wait_copies<0>();
    sync_block();  // this stage has arrived, and no thread reads the other any more
    if (first + Tile::kKeys < range.end) {
      load_keys<Tile>(a, *tile.sequence, range, first + Tile::kKeys, stages + bytes - offset);
    }
    commit_copies();
    if (!ballot(seen[0].overlaps(first, Tile::kKeys) || seen[1].overlaps(first, Tile::kKeys))) continue;
    const ThreadPlace place = find_thread_place<Tile>();
    Scores<Tile> scores = {};
    Weights<Tile> weights;
    multiply_keys<Tile>(a, q, stage, place, scores);
    add_slices<Tile>(exchange, place, scores);
    mask_scores<Tile>(seen, first, place, scores);
    softmax.step<Tile>(scores, weights);
    if (softmax.needs_correction()) out.scale(softmax.correction);
    out.add(weights, stage + Tile::kKeys * padded_row_bytes(a.key_tile_bytes), place);
  }
  softmax.finish();
  const ThreadPlace place = find_thread_place<Tile>();
  out.store(a, softmax.sum, LaneQueries(a, tile, place), place);
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

template <typename Tile>
int64_t shared_bytes(const AttentionArguments& a) {
  return kStages * stage_bytes<Tile>(a.key_tile_bytes) + exchange_bytes<Tile>();
}

template <typename Tile>
int64_t num_tiles(const AttentionArguments& a, int64_t rows) {
  return (rows * a.group + Tile::kQueries - 1) / Tile::kQueries;
}

template <typename Tile>
void launch_tile(const Context& context, const AttentionArguments& a, int64_t rows, int64_t num_key_value_heads) {
  // The last tile of each sequence may be filled in part, so a sequence may need one tile more.
  const int64_t tiles = num_tiles<Tile>(a, rows) + a.num_sequences;
  const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(num_key_value_heads));
  launch("attention", {grid, Tile::kThreads, shared_bytes<Tile>(a), context.queue->stream()}, attention_kernel<Tile>,
         a);
}

// Chooses the number of queries per block. The choice changes no bit of the result.
template <int kDim, int kSlices, int kKeys>
void launch_rows(const Context& context, const AttentionArguments& a, int64_t rows, int64_t num_key_value_heads) {
  using Whole = AttentionTile<kDim, kSlices, 4, kKeys>;
  using Half = AttentionTile<kDim, kSlices, 2, kKeys>;
  // One canvas fills fewer blocks of 64 queries than a large GPU has multiprocessors. Then blocks of 32 keep more busy.
  const bool is_small =
      num_tiles<Whole>(a, rows) * num_key_value_heads < context.queue->properties().num_multiprocessors;
  if (is_small) return launch_tile<Half>(context, a, rows, num_key_value_heads);
  launch_tile<Whole>(context, a, rows, num_key_value_heads);
}

template <int kDim, int kSlices, int kKeys>
void launch_dim(const Context& context, AttentionArguments a, const ops::KeyValueLayout& layout, int64_t rows) {
  a.half = layout.has_one_copy ? static_cast<int>(layout.head_dim / 2) : kDim / 2;
  a.half_in_keys = layout.has_one_copy ? static_cast<int>(layout.num_rotated) : kDim / 2;
  a.key_tile_bytes = layout.has_one_copy ? a.key_head_bytes : 2 * kDim;
  launch_rows<kDim, kSlices, kKeys>(context, a, rows, layout.num_key_value_heads);
}

}  // namespace

void attention(const Context& context, const ops::AttentionArguments& op) {
  const AttentionArguments a = attention_arguments(op);
  const ops::KeyValueLayout& layout = op.layout;
  const int64_t rows = op.q.rows;
  if (rows == 0) return;
  if (layout.head_dim <= 64) return launch_dim<64, 1, 32>(context, a, layout, rows);
  if (layout.head_dim <= 128) return launch_dim<128, 1, 32>(context, a, layout, rows);
  if (layout.head_dim <= 256) return launch_dim<256, 2, 32>(context, a, layout, rows);
  check(layout.head_dim <= 512, "attention: on a GPU head_dim is at most 512, got ", layout.head_dim);
  launch_dim<512, 2, 16>(context, a, layout, rows);
}

}  // namespace gesso::cuda
