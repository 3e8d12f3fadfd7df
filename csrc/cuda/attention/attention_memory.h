// The shared memory of a block of the attention kernel, in bytes. The host computes its size for the plan, and the
// kernel computes addresses in it.
#pragma once

namespace gesso::cuda {

constexpr int kAttentionWarp = 32;  // threads of a warp

// A block's queries are cut into bands: as many as a matrix instruction has rows. A query is one head of one row.
constexpr int kBandQueries = 16;
constexpr int kBands = 4;
constexpr int kTileQueries = kBands * kBandQueries;

constexpr int kPieceBytes = 16;  // of one asynchronous copy
// Rows in shared memory lie an odd number of pieces apart, so that the same piece of 8 rows is in different banks.
constexpr int padded_row_bytes(int bytes) { return bytes + kPieceBytes; }

// The values of one position in shared memory, in bf16.
constexpr int value_tile_bytes(int dim) { return 2 * dim; }

// Where one copy serves for keys and values, the dims of half a key that are stored with the keys are a multiple of
// this: the kernel asks once for so many of them where they are.
constexpr int stored_key_unit(int head_dim) { return head_dim > 256 ? 64 : 16; }

// There are two stages. While the keys and values of one are used, those of the other arrive. A key has as much room as
// a value, also where less of it is stored. Then all offsets are constants.
constexpr int kStages = 2;
constexpr int stage_bytes(int dim, int num_keys) { return num_keys * 2 * padded_row_bytes(value_tile_bytes(dim)); }

// Where a head is cut into two slices, their warps swap scores: a float for each query of a band and each key.
constexpr int exchange_bytes(int slices, int num_keys) {
  return slices == 1 ? 0 : slices * kTileQueries * num_keys * 4;
}

// The kernel of warpgroups (attention_wgmma_sm90a.cu). A warpgroup has 64 queries and 256 dims of the result. Where
// heads are wider, the block's two groups have the same queries; else each has its own.
constexpr int kWgmmaDims = 256;
constexpr int kWgmmaKeys = 32;
constexpr int kWgmmaStages = 4;
// Of a key that is stored in part: 64 of each half. This is the shape of the model's full layers.
constexpr int kWgmmaStoredDims = 128;

constexpr int kWgmmaWeightBytes = 64 * 128;  // a group's weights of two steps: a tile of 64 queries and 64 keys

constexpr int wgmma_queries(int slices) { return 2 * 64 / slices; }
constexpr int wgmma_key_dims(int dim) { return dim == kWgmmaDims ? dim : kWgmmaStoredDims; }
constexpr int wgmma_stage_bytes(int dim) { return kWgmmaKeys * 2 * (wgmma_key_dims(dim) + dim); }
constexpr int wgmma_shared_bytes(int dim) {
  constexpr int kAlignment = 1024;
  return kAlignment + kWgmmaStages * wgmma_stage_bytes(dim) + 2 * kWgmmaWeightBytes +
         exchange_bytes(dim / kWgmmaDims, kWgmmaKeys);
}

// Of the parts of the keys of a tile: each adds the sums of two.
constexpr int num_joins(int parts) { return parts - 1; }

}  // namespace gesso::cuda
