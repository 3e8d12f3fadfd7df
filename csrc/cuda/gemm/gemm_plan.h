// How a product with a stored weight is computed: which kernel, how the rows of x are rounded, how the work is cut.
// This is the only place where any of it is chosen. plan_gemm is a pure function of its arguments (it calls no CUDA),
// the launchers do what the plan says, and tests/cuda/test_plans.py holds the plans for every supported card.
//
// A plan has two halves:
//
//   plan_sums (device, weight, activations)           GemmSums: all that decides the bits of a row's result
//   plan_tiles(device, weight, sums, number of rows)  GemmTiles: how many rows a block takes; it changes no bits
//
// A row must get the same bits alone and among 255 others. So plan_sums is not told how many rows there are: whatever
// changes the order or the rounding of a sum belongs there.
#pragma once

#include <cstdint>
#include <string>

#include "core/activation_type.h"
#include "core/dtype.h"
#include "cuda/gemm/gemm_splits.h"
#include "cuda/host/device_properties.h"

namespace gesso::cuda {

// Columns that a kernel multiplies at a time, called a step.
constexpr int kStepColumns = 64;

// What a block multiplies: 64 weight rows with 24 or 128 rows of x. (Warpgroups: 128 weight rows with up to 256.)
constexpr int kTileWeightRows = 64;
// In a gated product half of the weight rows are the gate's.
constexpr int outputs_per_tile(bool is_gated) { return is_gated ? kTileWeightRows / 2 : kTileWeightRows; }
// Narrow tiles are for experts. Of 256 rows with 8 experts each, an expert of 128 gets 16 in the mean, and seldom more
// than 24. Where a multiprocessor has 100 KB of shared memory, two blocks with narrow tiles fit.
constexpr int kNarrowRows = 24;
// Wide tiles are for many rows: a weight is decoded once for all rows of a tile.
constexpr int kWideRows = 128;

enum class RowType : uint8_t {
  kBF16,
  // For weights of F32, whose products must keep nearly the precision of float32: the router chooses experts by them.
  // x and w are sums of two bf16 each. 64 columns of x become 192: the high parts, the low parts, and the high parts
  // again; they meet w's high, high and low parts.
  kSplitBF16,
  // Integers of 8 bits with a scale per 32 columns.
  kInt8,
  // Sums of 2 to 4 rows of 4-bit floats, see pack/fp4_activations.h.
  kNvFp4,
  kMxFp4,
};

// How the rows of x are rounded before a product.
struct RowFormat {
  RowType type = RowType::kBF16;
  int num_terms = 0;  // of the sums of 4-bit floats; else 0

  friend bool operator==(const RowFormat&, const RowFormat&) = default;
};

enum class GemmKernel : uint8_t {
  kMmaBF16,    // matrix instructions of a warp on bf16; every GPU has them
  kMmaInt8,    // the same on 8-bit integers
  kMmaFp4,     // the same on 4-bit floats: compute capability 12.0 and 12.1
  kWgmmaBF16,  // matrix instructions of a warpgroup on bf16: compute capability 9.0
};

// The weights of a product: one matrix [N, K], a gate's and an up's, or those of each expert.
struct GemmWeights {
  DType dtype = DType::kF32;
  int64_t num_outputs = 0;  // N
  int64_t num_columns = 0;  // K
  bool is_gated = false;
  int num_experts = 0;  // 0: one matrix for all rows

  int num_tiles() const {
    return static_cast<int>((num_outputs + outputs_per_tile(is_gated) - 1) / outputs_per_tile(is_gated));
  }
};

// All that decides the bits of a row's result: how it is rounded, by which kernel, and in which order it is summed.
struct GemmSums {
  RowFormat rows;
  GemmKernel kernel = GemmKernel::kMmaBF16;
  int num_steps = 0;  // K in steps of 64 columns; rows of kSplitBF16 have three times as many
  Splits splits;      // the sum over k in parts, which are added afterwards

  friend bool operator==(const GemmSums&, const GemmSums&) = default;
};

// How many rows are computed together.
struct GemmTiles {
  int rows = 0;              // of x, in a tile
  int grid_x = 0;            // blocks; each takes one tile, or with experts several
  int grid_y = 1;            // kWgmmaBF16: the splits, else 1
  int64_t shared_bytes = 0;  // of a block
  int blocks_at_a_time = 0;  // that the device runs side by side

  int64_t num_blocks() const { return int64_t{grid_x} * grid_y; }
  // How often the device is filled with blocks: 2.1 means that a third round runs for few of them.
  double waves() const { return static_cast<double>(num_blocks()) / blocks_at_a_time; }
};

struct GemmPlan {
  GemmSums sums;
  GemmTiles tiles;
};

// `activations`: how the caller wants rows to be rounded, kBF16 or kInt8. A weight that has no int8 products gets bf16,
// and on 12.0 and 12.1 NVFP4 and MXFP4 get sums of 4-bit floats that are as exact as what was asked for.
RowFormat plan_rows(const DeviceProperties& device, DType weight, ActivationType activations);
GemmSums plan_sums(const DeviceProperties& device, const GemmWeights& weights, ActivationType activations);
// num_rows: of the result. With experts these are slots, a row of x for each of its experts.
GemmTiles plan_tiles(const DeviceProperties& device, const GemmWeights& weights, const GemmSums& sums,
                     int64_t num_rows);
GemmPlan plan_gemm(const DeviceProperties& device, const GemmWeights& weights, ActivationType activations,
                   int64_t num_rows);

// Steps of a row of `num_columns` columns.
int num_row_steps(RowType type, int64_t num_columns);

// "mma int8 24 rows x 3 splits, 396 blocks, 2.0 waves"
std::string describe(const GemmPlan& plan);

}  // namespace gesso::cuda
