// What the matrix kernels work on, and how the work is cut.
//
// A block computes tiles of 64 weight rows times 24 or 128 rows of x: out^T = W x^T, so that few rows of x, as experts
// have, are the narrow side of the matrix instructions. It walks k in steps of 64 columns. In a gated product the 64
// weight rows are 32 of the gate and 32 of up: each 16 rows of a matrix instruction are 8 of the gate and, behind
// them, the same 8 of up. So the thread that has a gate's sum has up's as well.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "cuda/gemm/gemm.h"

namespace gesso::cuda {

constexpr int kGemmThreads = 128;
constexpr int kTileWeightRows = 64;

struct GemmArguments {
  // x, packed [num_x_rows, padded columns].
  const std::byte* x = nullptr;
  int64_t x_row_bytes = 0;
  const StepScales* x_scales = nullptr;  // int8 alone, [num_x_rows, num_steps]
  const float* x_row_scales = nullptr;   // 4-bit floats alone, [num_x_rows]
  int x_num_terms = 0;                   // 4-bit floats alone
  int num_columns = 0;                   // K
  int num_steps = 0;                     // of 64 columns

  // One matrix [N, K], or the gate's and up's; of each expert.
  DType dtype = DType::kF32;
  bool is_gated = false;
  int num_outputs = 0;  // N
  const std::byte* weights[2] = {};
  const float* scales[2] = {};  // null: 1
  int scale_stride = 0;         // 0: one scale for all experts, else 1
  int64_t row_bytes = 0;
  int64_t expert_bytes = 0;

  // Results.
  int num_rows = 0;  // of out: rows of x, or slots
  float* out = nullptr;
  int64_t out_stride = 0;
  // Not null: sums of a part of k, scaled, go here, [num_splits, num_rows, N or 2N with the gate's first], and
  // finish_partials makes the results of them.
  float* partials = nullptr;
  int num_splits = 1;
  int steps_per_split = 0;

  // Experts: which slots each has, [num_experts + 1] in device memory, and the row of x that a slot reads (null: its
  // own). num_experts is 0 where there is one matrix for all rows.
  int num_experts = 0;
  const int32_t* expert_offsets = nullptr;
  const int32_t* x_row_of_slot = nullptr;

  __host__ __device__ int outputs_per_tile() const { return is_gated ? kTileWeightRows / 2 : kTileWeightRows; }
  __host__ __device__ int num_weight_tiles() const {
    return (num_outputs + outputs_per_tile() - 1) / outputs_per_tile();
  }
  __host__ __device__ int partial_columns() const { return is_gated ? 2 * num_outputs : num_outputs; }
};

}  // namespace gesso::cuda
