// How a GPU computes weights . table of a chunk: the kernel, and how the blocks share the work.
#pragma once

#include <cstdint>

#include "core/device_code.h"
#include "core/dtype.h"
#include "cuda/decode/decoder_lists.h"
#include "cuda/host/device_properties.h"

namespace gesso::cuda {

// The types of tables that the kernel for sm_90a is compiled for, those of published files.
using SoftWgmmaTypes = DTypeList<DType::kBF16, DType::kQ8_0, DType::kQ6_K>;

constexpr int kSoftTileRows = 256, kSoftTileColumns = 128;
constexpr int kSoftMmaTokens = 32, kSoftWgmmaTokens = 64;  // of a step

// The sums are cut into tiles of 128 columns, and the tokens of a chunk into steps. The blocks walk over the steps of
// the first tile, then those of the second, and so on. Each block takes as many steps as any other, or one more. What a
// block sums of a tile is a *piece*, which has memory of its own. Example: 22 tiles of 256 steps on 128
// multiprocessors. A block takes 44 steps: block 0 steps 0 to 43 of tile 0, block 5 steps 220 to 255 of tile 0 and 0 to
// 7 of tile 1.
//
// The kernel for sm_90a wants whole tiles, since pairs of blocks with neighbouring tiles share the weights of their
// steps. So there num_blocks is a multiple of num_tiles, and each tile is split among as many blocks: 22 tiles on 132
// multiprocessors among 6.
//
// The order of a row's sum follows from these numbers. So they depend on the GPU and the table, and not on the number
// of rows.
struct SoftPlan {
  bool is_wgmma = false;  // the kernel for sm_90a, else the one with mma
  int step_tokens = 0;    // 32 or 64
  int num_tiles = 0;
  int num_steps = 0;   // of a tile
  int num_blocks = 0;  // for all tiles, at most num_tiles * num_steps; without the block that completes a pair

  GESSO_HOST_DEVICE int total_steps() const { return num_tiles * num_steps; }
  // The block's first step, counted from the first step of the first tile.
  GESSO_HOST_DEVICE int first_step(int block) const { return total_steps() * block / num_blocks; }
  GESSO_HOST_DEVICE int block_of(int step) const { return ((step + 1) * num_blocks - 1) / total_steps(); }
  // A later block has no earlier tile, so no two pieces have the same number. One number may be left out.
  GESSO_HOST_DEVICE static int piece(int block, int tile) { return block + tile; }
  GESSO_HOST_DEVICE int num_pieces() const { return num_blocks + num_tiles - 1; }
};

SoftPlan plan_soft(const DeviceProperties& properties, DType table, int64_t num_columns, int64_t num_tokens);

}  // namespace gesso::cuda
