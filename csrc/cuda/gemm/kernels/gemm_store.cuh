// Writes a tile's sums to memory.
#pragma once

#include "cuda/device/kernel.h"
#include "cuda/gemm/gelu.h"
#include "cuda/gemm/gemm_arguments.h"
#include "cuda/gemm/gemm_work.cuh"
#include "cuda/gemm/kernels/gemm_tile.cuh"

namespace gesso::cuda {

// The scale that is stored beside an expert's matrix. A plain matrix counts as expert 0.
__device__ inline float weight_scale(const GemmArguments& arguments, int matrix, int expert) {
  const float* scale = arguments.scales[matrix];
  return scale ? scale[expert * arguments.scale_stride] : 1.0f;
}

// Where a row of the results begins. With splits it is the row of the split's partial sums.
__device__ inline float* result_row(const GemmArguments& arguments, const TileWork& work, int row) {
  if (!arguments.partials) return arguments.out + row * arguments.out_stride;
  const int64_t partial_row = static_cast<int64_t>(work.split) * arguments.num_rows + row;
  return arguments.partials + partial_row * arguments.partial_columns();
}

// Stores two sums of one row of x. Their weight rows are 8 apart: they are two outputs, or the gate and up of one
// output.
__device__ inline void store_pair(const GemmArguments& arguments, float* row, TileRow first, float a, float b) {
  if (!arguments.is_gated) {
    if (first.output < arguments.num_outputs) row[first.output] = a;
    if (first.output + 8 < arguments.num_outputs) row[first.output + 8] = b;
  } else if (first.output < arguments.num_outputs) {
    if (arguments.partials) {
      row[first.output] = a;
      row[arguments.num_outputs + first.output] = b;
    } else {
      row[first.output] = gelu_tanh(a) * b;
    }
  }
}

template <int kRows>
__device__ inline void store_tile(const GemmArguments& arguments, const TileWork& work, const TileSums<kRows>& sums) {
  using Warp = WarpTile<kRows>;
  const float first_scale = weight_scale(arguments, 0, work.expert);
  const float second_scale = arguments.is_gated ? weight_scale(arguments, 1, work.expert) : first_scale;
#pragma unroll
  for (int n = 0; n < Warp::kRowTiles; ++n) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = 8 * Warp::row_tile(n) + lane_index() % 4 * 2 + i;
      if (row >= work.num_rows) continue;
      float* results = result_row(arguments, work, work.first_row + row);
#pragma unroll
      for (int m = 0; m < Warp::kWeightTiles; ++m) {
        const TileRow first = tile_row(arguments, work.weight_tile, 16 * Warp::weight_tile(m) + lane_index() / 4);
        store_pair(arguments, results, first, sums[m][n][i] * first_scale, sums[m][n][i + 2] * second_scale);
      }
    }
  }
}

// The same for the sums of a warpgroup (cuda/device/wgmma.h), which has the 64 weight rows of the tile.
template <int kRows>
__device__ inline void store_group_sums(const GemmArguments& arguments, const TileWork& work,
                                        const float (&sums)[kRows / 2]) {
  const float first_scale = weight_scale(arguments, 0, work.expert);
  const float second_scale = arguments.is_gated ? weight_scale(arguments, 1, work.expert) : first_scale;
  const TileRow first = tile_row(arguments, work.weight_tile, warp_index() % 4 * 16 + lane_index() / 4);
#pragma unroll
  for (int n = 0; n < kRows / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = 8 * n + lane_index() % 4 * 2 + i;
      if (row >= work.num_rows) continue;
      float* results = result_row(arguments, work, work.first_row + row);
      store_pair(arguments, results, first, sums[4 * n + i] * first_scale, sums[4 * n + i + 2] * second_scale);
    }
  }
}

}  // namespace gesso::cuda
