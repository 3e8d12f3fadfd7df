// Writes a tile's sums to memory, or rounds them for the next product. Where the sum over k is cut into splits, the
// last block of a tile first adds the sums of all of them.
#pragma once

#include "cuda/block/last_block.h"
#include "cuda/device/arrival.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/warp.h"
#include "cuda/gemm/gelu.h"
#include "cuda/gemm/gemm_arguments.h"
#include "cuda/gemm/gemm_work.cuh"
#include "cuda/gemm/kernels/gemm_tile.cuh"
#include "cuda/gemm/pack/store_packed.h"

namespace gesso::cuda {

// Makes the sums of a split those of the whole tile, added in the order of the splits. sum(i), for i below kCount, is
// sum i of the thread, and is_there(i) whether anybody needs it. Returns false where another block will write the tile.
// The sums of a tile lie in memory as [splits, kCount, threads], so neighbouring threads read neighbouring values.
template <int kCount, int kThreads, typename Sum, typename IsThere>
__device__ inline bool add_splits(const GemmArguments& arguments, int tile, int split, const Sum& sum,
                                  const IsThere& is_there) {
  if (arguments.num_splits == 1) return true;
  float* first = arguments.partials + int64_t{tile} * arguments.num_splits * (kCount * kThreads) + threadIdx.x;
  float* own = first + split * (kCount * kThreads);
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if (is_there(i)) own[i * kThreads] = sum(i);
  }
  if (!is_last_block(arguments.counters + tile, arguments.num_splits, shared_memory<int32_t>())) return false;
#pragma unroll
  for (int i = 0; i < kCount; ++i) sum(i) = 0;
#pragma unroll 1  // the loads of one split are enough at a time; more take registers
  for (int other = 0; other < arguments.num_splits; ++other) {
    const float* partial = first + other * (kCount * kThreads);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (is_there(i)) sum(i) += load_written(partial + i * kThreads);
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
  const GemmOutput& target = arguments.outputs[first.matrix];
  float* out = target.values + row * target.stride;
  if (!arguments.is_gated) {
    if (first.output < target.num_outputs) out[first.output] = a;
    if (first.output + 8 < target.num_outputs) out[first.output + 8] = b;
  } else if (first.output < target.num_outputs) {
    out[first.output] = gelu_tanh(a) * b;
  }
}

// The outputs of a gated tile on their way to packed rows, in shared memory: [rows, outputs]. A row of 36 floats puts
// the outputs of a fragment into different banks.
constexpr int kStagedOutputs = outputs_per_tile(true);
constexpr int kStagedStride = kStagedOutputs + 4;
constexpr int staged_bytes(int num_rows) { return num_rows * kStagedStride * static_cast<int>(sizeof(float)); }

// Stages the output of two sums of one row of x, the gate's and up's. Outputs behind the last one are zero.
__device__ inline void stage_pair(const GemmArguments& arguments, const TileWork& work, float* staged, int row,
                                  TileRow first, float a, float b) {
  const float value = first.output < arguments.num_outputs ? gelu_tanh(a) * b : 0.0f;
  staged[row * kStagedStride + first.output - work.weight_tile * kStagedOutputs] = value;
}

// Stages or stores two sums of one row of x. `staged` is null where the rows are not packed.
__device__ inline void stage_or_store_pair(const GemmArguments& arguments, const TileWork& work, float* staged, int row,
                                           TileRow first, float a, float b) {
  if (staged) {
    stage_pair(arguments, work, staged, row, first, a, b);
  } else {
    store_pair(arguments, work.first_row + row, first, a, b);
  }
}

// Packs the staged rows of a tile. The kThreads threads that staged them take part. The shuffle gives each lane its own
// value back. It hides from the compiler where the value comes from. Otherwise the compiler would compute addresses
// before the loop over k, each in a register of its own.
template <int kThreads>
__device__ inline void pack_staged(const GemmArguments& arguments, const TileWork& work, const float* staged) {
  const int thread = shuffle(static_cast<int>(threadIdx.x) % kThreads, lane_index());
  constexpr int kQuads = kStagedOutputs / 4;
  const PackedTarget& packed = arguments.packed;
  const int first_column = work.weight_tile * kStagedOutputs;
  // The last step of a row is whole. If the tiles end in its middle, the last one writes the zeros behind them.
  const bool has_zeros = work.weight_tile == arguments.num_weight_tiles() - 1;
  for (int index = thread; index - thread % kWarpSize < work.num_rows * kQuads; index += kThreads) {
    const int row = index / kQuads, column = first_column + index % kQuads * 4;
    const bool is_there = row < work.num_rows;
    const int behind = packed.num_steps * kStepColumns;  // what lies behind the last step is not stored
    const Quad quad =
        is_there ? *reinterpret_cast<const Quad*>(staged + row * kStagedStride + index % kQuads * 4) : Quad{};
    store_packed(packed, work.first_row + row, is_there ? column : behind, quad);
    if (has_zeros) {
      store_packed(packed, work.first_row + row, is_there ? column + kStagedOutputs : behind, Quad{});
    }
  }
}

// The number of the tile that a block shares with the blocks of its other splits. Such a block has one tile.
__device__ inline int split_tile(const GemmArguments& arguments) {
  return static_cast<int>(blockIdx.x % (gridDim.x / static_cast<unsigned>(arguments.num_splits)));
}

template <int kRows>
__device__ inline void store_tile(const GemmArguments& arguments, const TileWork& work, TileSums<kRows>& sums) {
  using Warp = WarpTile<kRows>;
  constexpr int kOfWeightTile = Warp::kRowTiles * 4;
  // A narrow tile has few sums. To leave out those of absent rows would take registers, and save little.
  const bool is_whole = add_splits<Warp::kWeightTiles * kOfWeightTile, gemm_threads(kRows)>(
      arguments, split_tile(arguments), work.split,
      [&](int i) -> float& { return sums[i / kOfWeightTile][i % kOfWeightTile / 4][i % 4]; },
      [&](int i) { return kRows == kNarrowRows || Warp::row_tile(i % kOfWeightTile / 4) < Warp::num_row_tiles(work); });
  if (!is_whole) return;
  const float first_scale = weight_scale(arguments, arguments.matrix_of(work.weight_tile), work.expert);
  const float second_scale = arguments.is_gated ? weight_scale(arguments, 1, work.expert) : first_scale;
  const int thread = thread_index_anew(), lane = thread % kWarpSize, warp = thread / kWarpSize;
  float* staged = arguments.packed.values ? shared_memory<float>() : nullptr;
  if (staged) sync_block();  // nobody reads the memory of the last step any more
#pragma unroll
  for (int n = 0; n < Warp::kRowTiles; ++n) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = 8 * Warp::row_tile(n, warp) + lane % 4 * 2 + i;
      if (row >= work.num_rows) continue;
#pragma unroll
      for (int m = 0; m < Warp::kWeightTiles; ++m) {
        const TileRow first = tile_row(arguments, work.weight_tile, 16 * Warp::weight_tile(m, warp) + lane / 4);
        const float a = sums[m][n][i] * first_scale, b = sums[m][n][i + 2] * second_scale;
        stage_or_store_pair(arguments, work, staged, row, first, a, b);
      }
    }
  }
  if (!staged) return;
  sync_block();
  pack_staged<gemm_threads(kRows)>(arguments, work, staged);
  sync_block();  // the copies of the next tile may begin
}

// The same for the sums of a warpgroup (cuda/device/wgmma.h), which has the 64 weight rows of the tile. All kGroups
// groups of the block take part. A group whose tile lies behind the last weight stores nothing. Rows that are packed
// are staged in kGroups * staged_bytes(kRows) bytes from `staging` on.
template <int kRows, int kGroups>
__device__ inline void store_group_sums(const GemmArguments& arguments, const TileWork& work, float (&sums)[kRows / 2],
                                        float* staging = shared_memory<float>()) {
  const bool is_whole = add_splits<kRows / 2, kGroups * kGemmThreads>(
      arguments, static_cast<int>(blockIdx.x), work.split, [&](int i) -> float& { return sums[i]; },
      [&](int i) { return i / 4 * 8 < work.num_rows; });
  if (!is_whole) return;
  const float first_scale = weight_scale(arguments, arguments.matrix_of(work.weight_tile), work.expert);
  const float second_scale = arguments.is_gated ? weight_scale(arguments, 1, work.expert) : first_scale;
  const int thread = thread_index_anew(), lane = thread % kWarpSize;
  const TileRow first = tile_row(arguments, work.weight_tile, thread % kGemmThreads / kWarpSize * 16 + lane / 4);
  float* staged = nullptr;
  if (arguments.packed.values) {
    staged = staging + thread / kGemmThreads * kRows * kStagedStride;
    sync_block();  // the products of all groups are done
  }
#pragma unroll
  for (int n = 0; n < kRows / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = 8 * n + lane % 4 * 2 + i;
      if (row >= work.num_rows) continue;
      const float a = sums[4 * n + i] * first_scale, b = sums[4 * n + i + 2] * second_scale;
      stage_or_store_pair(arguments, work, staged, row, first, a, b);
    }
  }
  if (!staged) return;
  sync_block();
  if (work.weight_tile < arguments.num_weight_tiles()) pack_staged<kGemmThreads>(arguments, work, staged);
}

}  // namespace gesso::cuda
