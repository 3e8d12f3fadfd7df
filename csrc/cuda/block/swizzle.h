// How tiles of bf16 lie in shared memory, so that matrix loads find different banks. In the layout for a warpgroup a
// row has 64 columns, 128 bytes. Its 8 pieces of 16 bytes are stored in the order piece ^ (row % 8). So piece p of 8
// neighbouring rows is in different banks, and so are the 8 pieces of one row. Such a tile begins at a multiple of 1024
// bytes.
#pragma once

#include <cstdint>

#include "cuda/device/kernel.h"

namespace gesso::cuda {

constexpr int kSwizzledRowBytes = 128;
constexpr int kSwizzledColumns = 64;
constexpr int kSwizzledTileAlignment = 1024;

// The byte at which columns 8 * piece to 8 * piece + 7 of a row begin. `piece` is 0 to 7.
__device__ inline int swizzled_offset(int row, int piece) { return row * kSwizzledRowBytes + (piece ^ row % 8) * 16; }

// The same for tiles whose rows have 64 or 128 bytes. Here too one piece of eight neighbouring rows, as a matrix
// load reads it, is in different banks.
__device__ inline int piece_offset(int row_bytes, int row, int piece) {
  return row * row_bytes + (piece ^ (row * row_bytes / 128 & (row_bytes / 16 - 1))) * 16;
}
template <int kRowBytes>
__device__ inline int piece_offset(int row, int piece) {
  return piece_offset(kRowBytes, row, piece);
}

// The offset of piece + `pieces` in the same row, given that of `piece`. The two numbers must have no bit in common.
__device__ inline int pieces_on(int offset, int pieces) { return offset ^ pieces * 16; }

}  // namespace gesso::cuda
