// Where the keys and values of a step lie in shared memory. A warp copies a row, and each lane one piece of it. Where a
// row has more than 32 pieces, the lane's next one is `kNextPieces` bytes further on.
#pragma once

#include "cuda/attention/attention_memory.h"
#include "cuda/block/swizzle.h"

namespace gesso::cuda {

// Rows for matrix loads of a warp.
template <int kDim, int kKeys>
struct PaddedRows {
  static constexpr int kRowBytes = padded_row_bytes(value_tile_bytes(kDim));  // from a row to the next
  static constexpr int kKeyBytes = value_tile_bytes(kDim);
  static constexpr int kNextPieces = kPieceBytes * kWarpSize;
  static constexpr int kValuesBegin = kKeys * kRowBytes;

  __device__ static int place(int row) { return row * kRowBytes + kPieceBytes * lane_index(); }
};

// Rows for products of a warpgroup: 64 dims of all keys are a tile of block/swizzle.h, and the next 64 dims are the
// next tile. Rows that are a multiple of 8 apart have the same swizzle.
template <int kKeyDims, int kKeys>
struct SwizzledRows {
  static constexpr int kRowBytes = kSwizzledRowBytes;
  static constexpr int kKeyBytes = value_tile_bytes(kKeyDims);
  static constexpr int kTileBytes = kKeys * kSwizzledRowBytes;
  static constexpr int kNextPieces = kPieceBytes * kWarpSize / kSwizzledRowBytes * kTileBytes;
  static constexpr int kValuesBegin = kKeyDims / kSwizzledColumns * kTileBytes;

  __device__ static int place(int row) {
    return lane_index() / 8 * kTileBytes + swizzled_offset(row, lane_index() % 8);
  }
};

}  // namespace gesso::cuda
