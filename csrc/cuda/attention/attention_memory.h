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

}  // namespace gesso::cuda
