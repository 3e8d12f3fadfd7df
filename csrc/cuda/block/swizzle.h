// How a tile of bf16 lies in shared memory for the matrix instructions of a warpgroup: rows of 64 columns, 128 bytes
// each, the 8 pieces of 16 bytes of row r in the order piece ^ (r % 8). So the same piece of 8 rows in a row, and the
// 8 pieces of one row, are in different banks. A tile begins at a multiple of 1024 bytes.
#pragma once

#include <cstdint>

#include "cuda/device/kernel.h"

namespace gesso::cuda {

constexpr int kSwizzledRowBytes = 128;
constexpr int kSwizzledColumns = 64;
constexpr int kSwizzledTileAlignment = 1024;

// The byte at which columns 8 * piece.. of a row begin, piece = 0..7.
__device__ inline int swizzled_offset(int row, int piece) { return row * kSwizzledRowBytes + (piece ^ row % 8) * 16; }

// The same for tiles of rows of kRowBytes, 64 or 128: the same piece of eight neighbouring rows, as matrix loads read
// it, is in different banks.
template <int kRowBytes>
__device__ inline int piece_offset(int row, int piece) {
  return row * kRowBytes + (piece ^ row * kRowBytes / 128 % (kRowBytes / 16)) * 16;
}

// The offset of the piece `pieces` further on in the same row, where piece and `pieces` have no bit in common.
__device__ inline int pieces_on(int offset, int pieces) { return offset ^ pieces * 16; }

}  // namespace gesso::cuda
