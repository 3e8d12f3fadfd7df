// The shared memory of a block of the attention kernel, in bytes. The host computes its size for the plan, and the
// kernel computes addresses in it.
#pragma once

namespace gesso::cuda {

constexpr int kAttentionWarp = 32;  // threads of a warp

// The queries of a band: as many as a matrix instruction has rows. A query is one head of one row.
constexpr int kBandQueries = 16;

constexpr int kPieceBytes = 16;  // of one asynchronous copy
// Rows in shared memory lie an odd number of pieces apart, so that the same piece of 8 rows is in different banks.
constexpr int padded_row_bytes(int bytes) { return bytes + kPieceBytes; }

// The values of one position in shared memory, in bf16.
constexpr int value_tile_bytes(int dim) { return 2 * dim; }

// There are two stages. While the keys and values of one are used, those of the other arrive.
constexpr int kStages = 2;
constexpr int stage_bytes(int dim, int num_keys, int key_tile_bytes) {
  return num_keys * (padded_row_bytes(key_tile_bytes) + padded_row_bytes(value_tile_bytes(dim)));
}

// Where a head is cut into two slices, their warps swap scores: a float for each query of a band and each key.
constexpr int exchange_bytes(int slices, int num_bands, int num_keys) {
  return slices == 1 ? 0 : slices * num_bands * kBandQueries * num_keys * 4;
}

}  // namespace gesso::cuda
