// How attention is computed; all of this is chosen here. plan_attention is a pure function of its arguments (it calls
// no CUDA). attention.cu does what the plan says. tests/cuda/test_plans.py holds the plans for every supported card.
//
// Like the plan of a product (gemm/gemm_plan.h) it has two halves. How the keys of a query are summed depends on the
// GPU and the heads alone. How many blocks there are also depends on the number of rows, and changes no bits.
#pragma once

#include <cstdint>
#include <string>

#include "cuda/host/device_properties.h"

namespace gesso::cuda {

struct AttentionShape {
  int64_t head_dim = 0;
  int64_t num_heads = 0;  // query heads
  int64_t num_key_value_heads = 0;
  bool has_one_copy = false;  // of keys and values (ops/key_value_layout.h)
  int64_t num_rotated = 0;    // where there is one copy
};

// Everything that decides the bits of a query's result.
struct AttentionSums {
  bool is_wgmma = false;  // the kernel of warpgroups, for the heads of the model on 9.0
  int dim = 0;            // head_dim, rounded up to what a kernel is compiled for
  int slices = 0;  // parts of dim, each with warps of its own: two for wide heads, for the sake of a warp's registers
  int keys = 0;    // keys summed at a time; steps begin at positions that are multiples of this
  // The keys of a tile may have parts, each with a block of its own. With mma there are two: of so many steps, the last
  // belongs to the second part. With wgmma there are so many, and the steps belong to them in turn. 0: there is one
  // part.
  int period = 0;

  int parts() const { return period == 0 ? 1 : is_wgmma ? period : 2; }
  int queries() const;  // of a tile
};

struct AttentionPlan {
  AttentionSums sums;
  int64_t shared_bytes = 0;  // shared memory of a block
  int grid_x = 0;            // tiles of queries; the last one of each sequence may be filled in part
  int grid_y = 0;            // key-value heads
  int grid_z = 1;            // parts of the keys
  int blocks_at_a_time = 0;  // blocks that the device runs side by side

  int64_t num_tiles() const { return int64_t{grid_x} * grid_y; }
  int64_t num_blocks() const { return num_tiles() * grid_z; }
  double waves() const { return static_cast<double>(num_blocks()) / blocks_at_a_time; }
};

// The sums that attention.cu is compiled for, by rising width of the head. Of the same width, the first are better
// where a block can have the shared memory: each step waits once.
constexpr AttentionSums kAttentionSums[] = {
    {false, 64, 1, 32}, {false, 128, 1, 32}, {false, 256, 2, 64}, {false, 256, 2, 32}, {false, 512, 2, 16},
};
// Those of attention_wgmma_sm90a.cu: for keys that are stored whole, and for keys of 512 dims of which 128 are stored.
constexpr AttentionSums kWgmmaSums[] = {{true, 256, 1, 32}, {true, 512, 2, 32}};
// Whether attention.cu has them for keys that are stored in part.
constexpr bool has_one_copy_kernel(const AttentionSums& sums) { return sums.keys <= 32; }

// ArgumentError for a head that is wider than all of these.
AttentionSums plan_attention_sums(const DeviceProperties& device, const AttentionShape& shape);
// num_rows counts the rows of all sequences together.
AttentionPlan plan_attention(const DeviceProperties& device, const AttentionShape& shape, int64_t num_rows,
                             int num_sequences);

// For example "mma bf16 64 queries, keys by 32 in parts 4:1, 144 blocks, 1.1 waves", or "wgmma bf16 128 queries, keys
// by 32 in 4 parts, 160 blocks, 1.2 waves".
std::string describe(const AttentionPlan& plan);

}  // namespace gesso::cuda
