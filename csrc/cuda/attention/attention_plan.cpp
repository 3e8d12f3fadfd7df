#include "cuda/attention/attention_plan.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "core/check.h"
#include "cuda/attention/attention_memory.h"

namespace gesso::cuda {
namespace {

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t num_tiles(const AttentionShape& shape, int64_t num_rows, int bands) {
  return divide_up(num_rows * (shape.num_heads / shape.num_key_value_heads), int64_t{bands} * kBandQueries);
}

// Estimates the time of the multiprocessor with the most blocks, for sequences of the same length. The unit is what one
// band takes. A block takes two units more, however many bands it has: it copies all keys, and waits for them.
// Example: one canvas of 256 rows with 16 heads and 8 key-value heads has 64 tiles of 4 bands or 128 of 2. With 82
// multiprocessors the busiest one has one block or two, which take 6 or 8 units. With 128 it has one, 6 or 4 units.
int64_t estimated_time(const DeviceProperties& device, const AttentionShape& shape, int64_t num_rows, int num_sequences,
                       int bands) {
  constexpr int kUnitsOfBlock = 2;
  const int64_t tiles = num_tiles(shape, divide_up(num_rows, num_sequences), bands) * num_sequences;
  return divide_up(tiles * shape.num_key_value_heads, device.num_multiprocessors) * (bands + kUnitsOfBlock);
}

// How many blocks a multiprocessor runs at a time, as far as registers allow: it has 65536, and a thread may take 255.
int blocks_by_registers(const AttentionSums& sums, int bands) {
  constexpr int kThreads = 256;
  return kThreads / (bands * sums.slices * kAttentionWarp);
}

}  // namespace

AttentionSums plan_attention_sums(const AttentionShape& shape) {
  for (const AttentionSums& sums : kAttentionSums) {
    if (shape.head_dim <= sums.dim) return sums;
  }
  const int widest = std::end(kAttentionSums)[-1].dim;
  throw ArgumentError(concat("attention: on a GPU head_dim is at most ", widest, ", got ", shape.head_dim));
}

AttentionTiles plan_attention_tiles(const DeviceProperties& device, const AttentionShape& shape,
                                    const AttentionSums& sums, int64_t num_rows, int num_sequences) {
  AttentionTiles tiles;
  const auto time = [&](int bands) { return estimated_time(device, shape, num_rows, num_sequences, bands); };
  tiles.bands = time(kHalfBands) < time(kWholeBands) ? kHalfBands : kWholeBands;
  tiles.key_tile_bytes = static_cast<int>(shape.own_key_bytes > 0 ? shape.own_key_bytes : value_tile_bytes(sums.dim));
  tiles.shared_bytes = kStages * stage_bytes(sums.dim, sums.keys, tiles.key_tile_bytes) +
                       exchange_bytes(sums.slices, tiles.bands, sums.keys);
  tiles.grid_x = static_cast<int>(num_tiles(shape, num_rows, tiles.bands)) + num_sequences;
  tiles.grid_y = static_cast<int>(shape.num_key_value_heads);
  tiles.blocks_at_a_time = device.num_multiprocessors * std::min(blocks_by_shared_memory(device, tiles.shared_bytes),
                                                                 blocks_by_registers(sums, tiles.bands));
  return tiles;
}

AttentionPlan plan_attention(const DeviceProperties& device, const AttentionShape& shape, int64_t num_rows,
                             int num_sequences) {
  const AttentionSums sums = plan_attention_sums(shape);
  return {sums, plan_attention_tiles(device, shape, sums, num_rows, num_sequences)};
}

std::string describe(const AttentionPlan& plan) {
  const auto& [sums, tiles] = plan;
  char text[160];
  std::snprintf(text, sizeof(text), "mma bf16 %d queries, keys by %d, %lld blocks, %.1f waves",
                tiles.bands * kBandQueries, sums.keys, static_cast<long long>(tiles.num_blocks()), tiles.waves());
  return text;
}

}  // namespace gesso::cuda
