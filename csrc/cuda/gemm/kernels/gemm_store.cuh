// Writes a tile's sums to memory. Where the sum over k is cut into splits, the last block of a tile first adds the sums
// of all of them.
#pragma once

#include "cuda/block/last_block.h"
#include "cuda/device/arrival.h"
#include "cuda/device/kernel.h"
#include "cuda/gemm/gelu.h"
#include "cuda/gemm/gemm_arguments.h"
#include "cuda/gemm/gemm_work.cuh"
#include "cuda/gemm/kernels/gemm_tile.cuh"

namespace gesso::cuda {

// Makes the sums of a split those of the whole tile, added in the order of the splits. sum(i), for i below kCount, is
// sum i of the thread, and is_there(i) whether anybody needs it. Returns false where another block will write the tile.
// The sums of a tile lie in memory as [splits, kCount, threads], so neighbouring threads read neighbouring values.
template <int kCount, typename Sum, typename IsThere>
__device__ inline bool add_splits(const GemmArguments& arguments, const TileWork& work, const Sum& sum,
                                  const IsThere& is_there) {
  if (arguments.num_splits == 1) return true;
  const auto num_threads = static_cast<int64_t>(blockDim.x);
  float* first = arguments.partials + int64_t{work.tile} * arguments.num_splits * kCount * num_threads + threadIdx.x;
  float* own = first + work.split * kCount * num_threads;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if (is_there(i)) own[i * num_threads] = sum(i);
  }
  if (!is_last_block(arguments.counters + work.tile, arguments.num_splits, shared_memory<int32_t>())) return false;
#pragma unroll
  for (int i = 0; i < kCount; ++i) sum(i) = 0;
  for (int split = 0; split < arguments.num_splits; ++split) {
    const float* partial = first + split * kCount * num_threads;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (is_there(i)) sum(i) += load_written(partial + i * num_threads);
    }
  }
  return true;
}

// The scale that is stored beside an expert's matrix. A plain matrix counts as expert 0.
__device__ inline float weight_scale(const GemmArguments& arguments, int matrix, int expert) {
  const float* scale = arguments.scales[matrix];
  return scale ? scale[expert * arguments.scale_stride] : 1.0f;
}

// Stores two sums of one row of x. Their weight rows are 8 apart: they are two outputs, or the gate and up of one
// output.
__device__ inline void store_pair(const GemmArguments& arguments, int row, TileRow first, float a, float b) {
  float* out = arguments.out + row * arguments.out_stride;
  if (!arguments.is_gated) {
    if (first.output < arguments.num_outputs) out[first.output] = a;
    if (first.output + 8 < arguments.num_outputs) out[first.output + 8] = b;
  } else if (first.output < arguments.num_outputs) {
    out[first.output] = gelu_tanh(a) * b;
  }
}

template <int kRows>
__device__ inline void store_tile(const GemmArguments& arguments, const TileWork& work, TileSums<kRows>& sums) {
  using Warp = WarpTile<kRows>;
  constexpr int kOfWeightTile = Warp::kRowTiles * 4;
  const bool is_whole = add_splits<Warp::kWeightTiles * kOfWeightTile>(
      arguments, work,
      [&](int i) -> float& { return sums[i / kOfWeightTile][i % kOfWeightTile / 4][i % 4]; },
      [&](int i) { return Warp::row_tile(i % kOfWeightTile / 4) < Warp::num_row_tiles(work); });
  if (!is_whole) return;
  const float first_scale = weight_scale(arguments, 0, work.expert);
  const float second_scale = arguments.is_gated ? weight_scale(arguments, 1, work.expert) : first_scale;
#pragma unroll
  for (int n = 0; n < Warp::kRowTiles; ++n) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = 8 * Warp::row_tile(n) + lane_index() % 4 * 2 + i;
      if (row >= work.num_rows) continue;
#pragma unroll
      for (int m = 0; m < Warp::kWeightTiles; ++m) {
        const TileRow first = tile_row(arguments, work.weight_tile, 16 * Warp::weight_tile(m) + lane_index() / 4);
        store_pair(arguments, work.first_row + row, first, sums[m][n][i] * first_scale,
                   sums[m][n][i + 2] * second_scale);
      }
    }
  }
}

// The same for the sums of a warpgroup (cuda/device/wgmma.h), which has the 64 weight rows of the tile.
template <int kRows>
__device__ inline void store_group_sums(const GemmArguments& arguments, const TileWork& work,
                                        float (&sums)[kRows / 2]) {
  const bool is_whole = add_splits<kRows / 2>(
      arguments, work, [&](int i) -> float& { return sums[i]; }, [&](int i) { return i / 4 * 8 < work.num_rows; });
  if (!is_whole) return;
  const float first_scale = weight_scale(arguments, 0, work.expert);
  const float second_scale = arguments.is_gated ? weight_scale(arguments, 1, work.expert) : first_scale;
  const TileRow first = tile_row(arguments, work.weight_tile, warp_index() % 4 * 16 + lane_index() / 4);
#pragma unroll
  for (int n = 0; n < kRows / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = 8 * n + lane_index() % 4 * 2 + i;
      if (row >= work.num_rows) continue;
      store_pair(arguments, work.first_row + row, first, sums[4 * n + i] * first_scale,
                 sums[4 * n + i + 2] * second_scale);
    }
  }
}

}  // namespace gesso::cuda
