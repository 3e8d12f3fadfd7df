#include "cuda/attention/attention_plan.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "core/check.h"
#include "cuda/attention/attention_memory.h"

namespace gesso::cuda {
namespace {

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Tiles of queries of one key-value head.
int64_t num_tiles(const AttentionShape& shape, int64_t num_rows, int tile_queries) {
  return divide_up(num_rows * (shape.num_heads / shape.num_key_value_heads), tile_queries);
}

constexpr int kCanvasRows = 256;
// (The rows of a launch must not decide, since parts decide bits.)
int64_t num_canvas_tiles(const AttentionShape& shape, int tile_queries) {
  return num_tiles(shape, kCanvasRows, tile_queries) * shape.num_key_value_heads;
}

// Estimates what a canvas takes on the busiest multiprocessor, in steps. There are 40 steps, and a block takes one
// more: it waits for its first keys, and joins its sums with those of the other part. The blocks of first parts start
// first, and those of second parts fill the time that they leave. Example: with 16 heads and 8 key-value heads there
// are 64 tiles. One part takes 41 steps on 64 multiprocessors. With 82 of them and a period of 5, the first parts take
// 33 steps on 64 multiprocessors, and the second parts 9 each. The other 18 do four of these one after another, in 36
// steps.
int64_t estimated_time(int64_t tiles, int64_t multiprocessors, int period) {
  constexpr int64_t kSteps = 40, kBlock = 1;
  if (period == 0) return divide_up(tiles, multiprocessors) * (kSteps + kBlock);
  const int64_t second = divide_up(kSteps, period) + kBlock, first = kSteps - kSteps / period + kBlock;
  const int64_t each = tiles / multiprocessors, one_more = tiles % multiprocessors;  // multiprocessors that have it
  int64_t time = divide_up(tiles, multiprocessors) * first;
  const auto fits = [&] {
    const int64_t left = time - each * first;
    const int64_t beside_more = left < first ? 0 : (left - first) / second;
    return (multiprocessors - one_more) * (left / second) + one_more * beside_more >= tiles;
  };
  while (!fits()) ++time;
  return time;
}

int plan_period(const DeviceProperties& device, const AttentionShape& shape) {
  constexpr int kLongest = 6;
  const int64_t tiles = num_canvas_tiles(shape, kTileQueries);
  const auto time = [&](int period) { return estimated_time(tiles, device.num_multiprocessors, period); };
  int best = 0;
  for (int period = 2; period <= kLongest; ++period) {
    if (time(period) < time(best)) best = period;
  }
  return best;
}

// With wgmma: as many parts, a power of two, as leave each block of a canvas a multiprocessor of its own.
int plan_parts(const DeviceProperties& device, const AttentionShape& shape, const AttentionSums& sums) {
  const int64_t tiles = num_canvas_tiles(shape, sums.queries());
  return 4 * tiles <= device.num_multiprocessors ? 4 : 2 * tiles <= device.num_multiprocessors ? 2 : 0;
}

// How many blocks a multiprocessor runs at a time, as far as registers allow: it has 65536, and a thread may take 255.
int blocks_by_registers(const AttentionSums& sums) {
  constexpr int kThreads = 256;
  if (sums.is_wgmma) return 1;
  return kThreads / (kBands * sums.slices * kAttentionWarp);
}

int64_t shared_bytes(const AttentionSums& sums) {
  if (sums.is_wgmma) return wgmma_shared_bytes(sums.dim);
  return kStages * stage_bytes(sums.dim, sums.keys) + exchange_bytes(sums.slices, sums.keys);
}

// Whether the kernel of warpgroups serves such heads.
bool fits_wgmma(const DeviceProperties& device, const AttentionShape& shape, const AttentionSums& sums) {
  if (device.arch != 90 || shared_bytes(sums) > device.max_shared_bytes) return false;
  if (sums.slices == 1) return !shape.has_one_copy && shape.head_dim > sums.dim / 2 && shape.head_dim <= sums.dim;
  return shape.has_one_copy && shape.head_dim == sums.dim && 2 * shape.num_rotated == kWgmmaStoredDims;
}

}  // namespace

int AttentionSums::queries() const { return is_wgmma ? wgmma_queries(slices) : kTileQueries; }

AttentionSums plan_attention_sums(const DeviceProperties& device, const AttentionShape& shape) {
  for (AttentionSums sums : kWgmmaSums) {
    if (!fits_wgmma(device, shape, sums)) continue;
    sums.period = plan_parts(device, shape, sums);
    return sums;
  }
  for (AttentionSums sums : kAttentionSums) {
    if (shape.head_dim > sums.dim || shared_bytes(sums) > device.max_shared_bytes) continue;
    if (shape.has_one_copy && !has_one_copy_kernel(sums)) continue;
    sums.period = plan_period(device, shape);
    return sums;
  }
  const int widest = std::end(kAttentionSums)[-1].dim;
  throw ArgumentError(concat("attention: on a GPU head_dim is at most ", widest, ", got ", shape.head_dim));
}

AttentionPlan plan_attention(const DeviceProperties& device, const AttentionShape& shape, int64_t num_rows,
                             int num_sequences) {
  const AttentionSums sums = plan_attention_sums(device, shape);
  AttentionPlan plan = {.sums = sums};
  plan.shared_bytes = shared_bytes(sums);
  plan.grid_x = static_cast<int>(num_tiles(shape, num_rows, sums.queries())) + num_sequences;
  plan.grid_y = static_cast<int>(shape.num_key_value_heads);
  plan.grid_z = sums.parts();
  plan.blocks_at_a_time = device.num_multiprocessors *
                          std::min(blocks_by_shared_memory(device, plan.shared_bytes), blocks_by_registers(sums));
  return plan;
}

std::string describe(const AttentionPlan& plan) {
  char parts[32] = "", text[160];
  const AttentionSums& sums = plan.sums;
  if (sums.period > 0 && sums.is_wgmma) {
    std::snprintf(parts, sizeof(parts), " in %d parts", sums.period);
  } else if (sums.period > 0) {
    std::snprintf(parts, sizeof(parts), " in parts %d:1", sums.period - 1);
  }
  std::snprintf(text, sizeof(text), "%s bf16 %d queries, keys by %d%s, %lld blocks, %.1f waves",
                sums.is_wgmma ? "wgmma" : "mma", sums.queries(), sums.keys, parts,
                static_cast<long long>(plan.num_blocks()), plan.waves());
  return text;
}

}  // namespace gesso::cuda
