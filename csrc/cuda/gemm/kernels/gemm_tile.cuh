// What the matrix kernels share: where a tile's weight rows and rows of x lie, and which part of a tile a warp
// computes.
#pragma once

#include "cuda/block/ring.h"
#include "cuda/block/swizzle.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/kernel.h"
#include "cuda/gemm/gemm_arguments.h"
#include "cuda/gemm/gemm_work.cuh"

namespace gesso::cuda {

// Row i of a tile of weights: its matrix (in a gated product 0 is the gate and 1 is up), and its output in that matrix.
struct TileRow {
  int matrix = 0;
  int output = 0;
};

__device__ inline TileRow tile_row(const GemmArguments& arguments, int weight_tile, int i) {
  if (arguments.is_gated) return {i / 8 % 2, weight_tile * (kTileWeightRows / 2) + i / 16 * 8 + i % 8};
  const int matrix = arguments.matrix_of(weight_tile);
  return {matrix, (weight_tile - arguments.outputs[matrix].first_tile) * kTileWeightRows + i};
}

// Where row i of a tile of weights begins. Rows behind the last output repeat that row, and their sums are not stored.
__device__ inline const std::byte* weight_row(const GemmArguments& arguments, const TileWork& work, int i) {
  const TileRow row = tile_row(arguments, work.weight_tile, i);
  const int num_outputs = arguments.outputs[arguments.is_gated ? 0 : row.matrix].num_outputs;
  const int output = row.output < num_outputs ? row.output : num_outputs - 1;
  return arguments.weights[row.matrix] + work.expert * arguments.expert_bytes + output * arguments.row_bytes;
}

// The row of x that row i of a tile reads. Rows behind the last one repeat that row.
__device__ inline int64_t x_row(const GemmArguments& arguments, const TileWork& work, int i) {
  const int row = work.first_row + (i < work.num_rows ? i : work.num_rows - 1);
  return arguments.x_row_of_slot ? arguments.x_row_of_slot[row] : row;
}

// The matrix instructions of a tile that a warp does, each of 16 weight rows times 8 rows of x. In a narrow tile each
// of the 4 warps has 16 weight rows and all rows of x. In a wide tile of 128 rows each of the 8 warps has 32 weight
// rows and every fourth group of 8 rows of x. In one of 256 rows it has all weight rows and every eighth pair of
// groups, so that a load serves four products.
template <int kRows>
struct WarpTile {
  static constexpr int kWarpColumns = kRows == kWideInt8Rows ? 8 : kRows == kWideRows ? 4 : 1;
  static constexpr int kWeightTiles = kRows == kNarrowRows ? 1 : kWarpColumns / 2;  // of a warp, each of 16 weight rows
  static constexpr int kRowTiles = kRows / 8 / kWarpColumns;                        // of a warp, each of 8 rows of x

  static constexpr int kTogether = kRows == kWideInt8Rows ? 2 : 1;  // groups of 8 rows of x that are neighbours

  __device__ static int weight_tile(int m, int warp = warp_index()) { return warp / kWarpColumns * kWeightTiles + m; }
  __device__ static int row_tile(int n, int warp = warp_index()) {
    return warp % kWarpColumns * kTogether + row_tiles_on(n);
  }
  // How far row tile n of a warp is from its first one.
  static constexpr int row_tiles_on(int n) { return n / kTogether * kTogether * kWarpColumns + n % kTogether; }
  // How many row tiles have at least one row. The others are not multiplied.
  __device__ static int num_row_tiles(const TileWork& work) { return (work.num_rows + 7) / 8; }
};

template <int kRows>
using TileSums = float[WarpTile<kRows>::kWeightTiles][WarpTile<kRows>::kRowTiles][4];

template <int kRows>
__device__ inline void clear(TileSums<kRows>& sums) {
#pragma unroll
  for (auto& row : sums) {
#pragma unroll
    for (auto& tile : row) {
#pragma unroll
      for (float& sum : tile) sum = 0;
    }
  }
}

// A ring of kSlots steps of the tile's rows of x: kRowBytes bytes of each row in every slot. Step s is in slot
// s % kSlots.
template <int kRows, int kRowBytes, int kSlots>
class RowTile {
 public:
  static constexpr int kSlotBytes = kRows * kRowBytes;
  static constexpr int kBytes = kSlots * kSlotBytes;

  __device__ explicit RowTile(uint8_t* ring) : ring_(ring) {}

  __device__ void begin(const GemmArguments& arguments, const TileWork& work) {
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      rows_[i] = arguments.x + x_row(arguments, work, copied_row(i)) * arguments.x_row_bytes + 16 * copied_piece();
    }
    num_rows_ = WarpTile<kRows>::num_row_tiles(work) * 8;
  }

  // Starts the copies of a step, but only of rows that are multiplied.
  __device__ void copy(int step) {
    // The rows of a thread are a multiple of 8 apart, so the pieces have the same order in all of them.
    uint8_t* target =
        ring_ + ring_slot<kSlots>(step) * kSlotBytes + piece_offset<kRowBytes>(copied_row(0), copied_piece());
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      if (copied_row(i) < num_rows_) {
        copy_async_16(target + i * kCopiedRows * kRowBytes, rows_[i] + step * kRowBytes);
      }
    }
  }

  __device__ const uint8_t* slot(int step) const { return ring_ + ring_slot<kSlots>(step) * kSlotBytes; }

 private:
  static constexpr int kPieces = kRowBytes / 16;
  static constexpr int kCopiedRows = gemm_threads(kRows) / kPieces;
  static constexpr int kRowsPerThread = (kRows + kCopiedRows - 1) / kCopiedRows;
  static_assert(kCopiedRows % 8 == 0);

  __device__ static int copied_piece() { return static_cast<int>(threadIdx.x) % kPieces; }
  __device__ static int copied_row(int i) { return static_cast<int>(threadIdx.x) / kPieces + i * kCopiedRows; }

  uint8_t* ring_;
  const std::byte* rows_[kRowsPerThread];
  int num_rows_ = 0;
};

}  // namespace gesso::cuda
