// The arguments of the matrix kernels, and how a product is cut into tiles.
//
// A block computes tiles of 64 weight rows times 24, 128 or 256 rows of x. (Each warpgroup of a kernel for 9.0 does so,
// with the numbers of rows that gemm_plan.h has.) It computes out^T = W x^T, so that the rows of x are the narrow side
// of the matrix instructions: experts have few rows. It walks over k in steps of 64 columns.
//
// In a gated product the 64 weight rows of a tile are 32 of the gate and 32 of up. The 16 weight rows of a matrix
// instruction are 8 of the gate, and behind them the same 8 of up. So one thread has the gate's sum and up's sum of the
// same output.
#pragma once

#include <cuda_runtime.h>

#include <climits>
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "cuda/gemm/gemm.h"

namespace gesso::cuda {

// So many threads decode the 64 x 64 weights of a step: each half a row.
constexpr int kGemmThreads = 128;
// A block with wide tiles has two such groups, which take turns at decoding: while one decodes, the other multiplies. A
// multiprocessor with 100 KB of shared memory has room for one such block, and so two warps for each of its four
// schedulers.
constexpr int kWideGroups = 2;
// The threads of a block with tiles of `tile_rows` rows of x. (The kernels of warpgroups have their own numbers.)
constexpr int gemm_threads(int tile_rows) { return (tile_rows >= kWideRows ? kWideGroups : 1) * kGemmThreads; }

// So many matrices share a launch: a gate and an up, or up to three that multiply the same rows, such as q, k and v.
constexpr int kMaxMatrices = 3;

// Where the sums of a matrix go: [rows, num_outputs]. The tiles of all matrices of a launch are counted together. With
// matrices of 100 and 70 outputs the first one has the tiles 0 and 1, and the second one has 2 and 3.
struct GemmOutput {
  float* values = nullptr;
  int64_t stride = 0;
  int num_outputs = 0;       // N
  int first_tile = INT_MAX;  // of 64 weight rows; behind all tiles where there is no such matrix
};

struct GemmArguments {
  // x, packed [num_x_rows, padded columns].
  const std::byte* x = nullptr;
  int64_t x_row_bytes = 0;
  const StepScales* x_scales = nullptr;  // int8 only, [num_x_rows, num_steps]
  const float* x_row_scales = nullptr;   // f16 and 4-bit floats only, [num_x_rows]
  int num_columns = 0;                   // K
  int num_steps = 0;                     // steps of 64 columns in a row

  // The weights: matrices [N, K], or a gate's and an up's. With experts each expert has its own, one behind the other.
  DType dtype = DType::kF32;
  bool is_gated = false;
  int num_outputs = 0;  // N; of several matrices the sum, where the tiles of all but the last count as full
  const std::byte* weights[kMaxMatrices] = {};
  const float* scales[kMaxMatrices] = {};  // null: the scale is 1
  int scale_stride = 0;                    // 0: one scale for all experts; 1: one for each
  int64_t row_bytes = 0;
  int64_t expert_bytes = 0;

  // The results.
  int num_rows = 0;                  // rows of out: one for each row of x, or for each slot
  GemmOutput outputs[kMaxMatrices];  // one for each matrix; a gate and an up share the first
  PackedTarget packed;               // in a gated product: where its rows go instead, rounded for the next product
  // If the sum over k is cut into splits, each block writes its sums here, and the last block of a tile adds them
  // (kernels/gemm_store.cuh). Each tile has a counter, which is 0 between launches. Both are null if there is one
  // split.
  float* partials = nullptr;
  int32_t* counters = nullptr;
  int num_splits = 1;
  int steps_per_split = 0;

  // The experts. num_experts is 0 where there is one matrix for all rows. Expert e has the slots expert_offsets[e] ..
  // expert_offsets[e + 1] - 1; the array [num_experts + 1] is in device memory. x_row_of_slot has the row of x that
  // each slot reads; if it is null, slot i reads row i.
  int num_experts = 0;
  const int32_t* expert_offsets = nullptr;
  const int32_t* x_row_of_slot = nullptr;

  __host__ __device__ int num_weight_tiles() const {
    return (num_outputs + outputs_per_tile(is_gated) - 1) / outputs_per_tile(is_gated);
  }
  // The matrix that a tile belongs to. (That of a gate and an up counts as the gate's.)
  __host__ __device__ int matrix_of(int weight_tile) const {
    return (weight_tile >= outputs[1].first_tile) + (weight_tile >= outputs[2].first_tile);
  }
};

}  // namespace gesso::cuda
