// How a product with a stored weight is computed: which kernel, how the rows of x are rounded, how the work is cut. All
// of this is chosen here and nowhere else. plan_gemm is a pure function of its arguments (it calls no CUDA). The
// launchers do what the plan says. tests/cuda/test_plans.py holds the plans for every supported card.
//
// A plan has two halves:
//
//   plan_sums (device, weight, activations)           GemmSums: everything that decides the bits of a row's result
//   plan_tiles(device, weight, sums, number of rows)  GemmTiles: how many rows a block takes; it changes no bits
//
// A row must get the same bits alone as among 255 other rows. So plan_sums is not told how many rows there are.
// Whatever changes the order or the rounding of a sum belongs there.
#pragma once

#include <cstdint>
#include <string>

#include "core/activation_type.h"
#include "core/dtype.h"
#include "cuda/gemm/gemm_splits.h"
#include "cuda/host/device_properties.h"
#include "ops/activations.h"

namespace gesso::cuda {

// The number of columns that a kernel multiplies at a time. This is called a step.
constexpr int kStepColumns = 64;

// A block multiplies 64 weight rows with 24, 128 or 256 rows of x. (With warpgroups: 192 or 256 weight rows with 64 or
// 128 rows of x; for experts 128 weight rows with 24 or 160 rows of x.)
constexpr int kTileWeightRows = 64;
// The outputs that a tile makes. In a gated product half of its weight rows are the gate's.
constexpr int outputs_per_tile(bool is_gated) { return is_gated ? kTileWeightRows / 2 : kTileWeightRows; }
// Narrow tiles are for experts. Example: if 256 rows have 8 experts each, each of 128 experts gets 16 rows in the mean,
// and seldom more than 24. Where a multiprocessor has 100 KB of shared memory, two blocks with narrow tiles fit.
constexpr int kNarrowRows = 24;
// Wide tiles are for many rows. They decode a weight once for 128 rows, and with rows of int8, which take half the
// memory, once for 256.
constexpr int kWideRows = 128;
constexpr int kWideInt8Rows = 256;
// The tiles of kWgmmaBF16.
constexpr int kWgmmaRows = 128, kFewWgmmaRows = 64;
// The wide tiles of kWgmmaExperts. Example: if 2048 rows have 8 experts each, each of 128 experts gets 128 rows in the
// mean, and seldom more than 160.
constexpr int kWideExpertRows = 160;

enum class RowType : uint8_t {
  kBF16,
  // For weights of F32, whose products must keep nearly the precision of float32. Each element of x and w is the sum of
  // two bf16, a high and a low part. 64 columns of x become 192: the high parts, the low parts, and the high parts
  // again. They are multiplied with w's high parts, high parts and low parts.
  kSplitBF16,
  // Integers of 8 bits, with a scale for 32 columns.
  kInt8,
  // Half precision, with a scale for each row, see pack/half_rows.h. For experts on compute capability 9.0.
  kF16,
  kEvensFirstF16,  // the same with the even columns of every 16 before the odd ones
  // Sums of 2 to 4 rows of 4-bit floats, see pack/fp4_activations.h.
  kNvFp4,
  kMxFp4,
};

// How the rows of x are rounded before a product.
struct RowFormat {
  RowType type = RowType::kBF16;
  int num_terms = 0;  // terms of a sum of 4-bit floats; 0 for other types

  friend bool operator==(const RowFormat&, const RowFormat&) = default;
};

constexpr bool is_f16(RowType type) { return type == RowType::kF16 || type == RowType::kEvensFirstF16; }

// Whether the largest value of a row decides how the row is rounded. A kernel that makes a part of a row cannot round
// it then.
constexpr bool needs_whole_rows(const RowFormat& format) {
  return is_f16(format.type) || format.type == RowType::kNvFp4 || format.type == RowType::kMxFp4;
}

enum class GemmKernel : uint8_t {
  kMmaBF16,  // matrix instructions of a warp on bf16; every GPU has them
  kMmaInt8,  // the same on 8-bit integers
  kMmaFp4,   // the same on 4-bit floats: compute capability 12.0 and 12.1
  // Matrix instructions of a warpgroup on bf16, with weights that are decoded in registers: compute capability 9.0.
  kWgmmaBF16,
  kWgmmaExperts,  // the same for experts, on half precision
};

// The weights of a product: one matrix [N, K], a gate's and an up's, or those of each expert.
struct GemmWeights {
  DType dtype = DType::kF32;
  int64_t num_outputs = 0;  // N
  int64_t num_columns = 0;  // K
  bool is_gated = false;
  int num_experts = 0;  // 0: there is one matrix for all rows

  int num_tiles() const {
    return static_cast<int>((num_outputs + outputs_per_tile(is_gated) - 1) / outputs_per_tile(is_gated));
  }
};

// Everything that decides the bits of a row's result: its rounding, the kernel, and the order of its sum.
//
// The order is: the steps of k within a split, then the splits, then the weight's scale (kernels/gemm_store.cuh). Terms
// of a product beside the weight, such as those of an adapter, have their place behind the scale: they are neither
// scaled nor cut into splits, so the block that stores a tile adds them.
struct GemmSums {
  RowFormat rows;
  GemmKernel kernel = GemmKernel::kMmaBF16;
  int num_steps = 0;  // K in steps of 64 columns; rows of kSplitBF16 have three times as many
  Splits splits;      // how the sum over k is cut into parts, which are added afterwards

  friend bool operator==(const GemmSums&, const GemmSums&) = default;
};

// How many rows are computed together.
struct GemmTiles {
  int rows = 0;              // rows of x in a tile
  int groups = 1;            // of threads, each with 64 weight rows of its own; more than 1 with warpgroups only
  int threads = 0;           // of a block
  int grid_x = 0;            // blocks; each takes one tile, or with experts several
  int grid_y = 1;            // the number of splits for kWgmmaBF16, else 1
  int64_t shared_bytes = 0;  // shared memory of a block
  int blocks_at_a_time = 0;  // blocks that the device runs side by side

  int64_t num_blocks() const { return int64_t{grid_x} * grid_y; }
  // How often the device is filled with blocks. With 2.1, a third round runs for a few blocks.
  double waves() const { return static_cast<double>(num_blocks()) / blocks_at_a_time; }
};

struct GemmPlan {
  GemmSums sums;
  GemmTiles tiles;
};

// `activations` is how the caller wants rows to be rounded, kBF16 or kInt8. A weight without int8 products gets bf16.
// On compute capability 12.0 and 12.1 NVFP4 and MXFP4 get sums of 4-bit floats that are as exact as what was asked for.
// On 9.0 experts get half precision in place of bf16, which is more exact.
RowFormat plan_rows(const DeviceProperties& device, const ops::WeightKind& weight, ActivationType activations);
GemmSums plan_sums(const DeviceProperties& device, const GemmWeights& weights, ActivationType activations);
// num_rows: the rows of the result. With experts these are slots: a row of x has one slot for each of its experts.
GemmTiles plan_tiles(const DeviceProperties& device, const GemmWeights& weights, const GemmSums& sums,
                     int64_t num_rows);
GemmPlan plan_gemm(const DeviceProperties& device, const GemmWeights& weights, ActivationType activations,
                   int64_t num_rows);

// How many steps a row of `num_columns` columns has.
int num_row_steps(RowType type, int64_t num_columns);

// For example "mma int8 24 rows x 3 splits, 396 blocks, 2.0 waves". Of kWgmmaBF16 it also has the weight rows of a
// tile: "wgmma bf16 192 by 128 rows x 3 splits, 132 blocks, 1.0 waves".
std::string describe(const GemmPlan& plan);

}  // namespace gesso::cuda
