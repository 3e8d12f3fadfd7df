// How attention is computed; all of this is chosen here. plan_attention is a pure function of its arguments (it calls
// no CUDA). attention.cu does what the plan says. tests/cuda/test_plans.py holds the plans for every supported card.
//
// Like the plan of a product (gemm/gemm_plan.h) it has two halves. How the keys of a query are summed depends on the
// width of the head alone. How many queries a block takes also depends on the number of rows, and changes no bits.
#pragma once

#include <cstdint>
#include <string>

#include "cuda/host/device_properties.h"

namespace gesso::cuda {

struct AttentionShape {
  int64_t head_dim = 0;
  int64_t num_heads = 0;  // query heads
  int64_t num_key_value_heads = 0;
  // Where one copy serves for keys and values (ops/key_value_layout.h): the bytes that are stored of a key alone. 0:
  // keys are stored whole.
  int64_t own_key_bytes = 0;
};

// Everything that decides the bits of a query's result.
struct AttentionSums {
  int dim = 0;     // head_dim, rounded up to what a kernel is compiled for
  int slices = 0;  // parts of dim, each with warps of its own: two for wide heads, for the sake of a warp's registers
  int keys = 0;    // keys summed at a time; steps begin at positions that are multiples of this

  friend bool operator==(const AttentionSums&, const AttentionSums&) = default;
};

// How many queries are computed together.
struct AttentionTiles {
  int bands = 0;             // bands of 16 queries in a block
  int key_tile_bytes = 0;    // bytes of a key in shared memory, without padding
  int64_t shared_bytes = 0;  // shared memory of a block
  int grid_x = 0;            // tiles of queries; the last one of each sequence may be filled in part
  int grid_y = 0;            // key-value heads
  int blocks_at_a_time = 0;  // blocks that the device runs side by side

  int64_t num_blocks() const { return int64_t{grid_x} * grid_y; }
  double waves() const { return static_cast<double>(num_blocks()) / blocks_at_a_time; }
};

struct AttentionPlan {
  AttentionSums sums;
  AttentionTiles tiles;
};

// The sums that attention.cu is compiled for, by rising width of the head.
constexpr AttentionSums kAttentionSums[] = {{64, 1, 32}, {128, 1, 32}, {256, 2, 32}, {512, 2, 16}};
constexpr int kWholeBands = 4, kHalfBands = 2;

// ArgumentError for a head that is wider than all of these.
AttentionSums plan_attention_sums(const AttentionShape& shape);
// num_rows counts the rows of all sequences together.
AttentionTiles plan_attention_tiles(const DeviceProperties& device, const AttentionShape& shape,
                                    const AttentionSums& sums, int64_t num_rows, int num_sequences);
AttentionPlan plan_attention(const DeviceProperties& device, const AttentionShape& shape, int64_t num_rows,
                             int num_sequences);

// For example "mma bf16 64 queries, keys by 32, 129 blocks, 1.0 waves".
std::string describe(const AttentionPlan& plan);

}  // namespace gesso::cuda
