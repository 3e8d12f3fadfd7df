// Brings the keys and values of one key-value head from the cache to shared memory.
#pragma once

#include "cuda/attention/attention_memory.h"
#include "cuda/attention/attention_tile.cuh"
#include "cuda/device/async_copy.h"

namespace gesso::cuda {

template <typename Tile>
constexpr int kValueTileBytes = value_tile_bytes(Tile::kDim);

// The keys, or the values, of a sequence, for the block's key-value head.
struct KeyRows {
  const std::byte* cached;
  const std::byte* own;
  int cached_begin;
  int own_begin;
  int row_bytes;

  __device__ KeyRows(const ops::AttentionSequence& sequence, const std::byte* cached_rows, const std::byte* own_rows,
                     int row_bytes, int head_bytes)
      : cached(cached_rows + static_cast<int>(blockIdx.y) * head_bytes),
        own(own_rows + static_cast<int>(blockIdx.y) * head_bytes),
        cached_begin(static_cast<int>(sequence.cached_begin)),
        own_begin(own_rows ? static_cast<int>(sequence.first_position) : INT32_MAX),
        row_bytes(row_bytes) {}

  __device__ const std::byte* at(int position) const {
    const bool is_own = position >= own_begin;
    const int64_t index = position - (is_own ? own_begin : cached_begin);
    return (is_own ? own : cached) + index * row_bytes;
  }
};

// Starts the copies of a row of `tile_bytes` bytes. The first `given_bytes` are copied, and the rest becomes zero. If
// the row is not valid, all of it becomes zero: the weight of what a query does not see is 0, but 0 times NaN would be
// NaN. All threads of a warp must call this function.
template <typename Tile>
__device__ void load_row(std::byte* shared, int tile_bytes, const std::byte* row, int given_bytes, bool valid) {
#pragma unroll
  for (int begin = 0; begin < kValueTileBytes<Tile>; begin += kPieceBytes * kWarpSize) {
    const int byte = begin + kPieceBytes * lane_index();
    if (byte < tile_bytes) copy_async_16(shared + byte, row + byte, valid && byte < given_bytes);
  }
}

// Starts the copies of the keys and values at the positions first .. first + kKeys - 1. The block's warps share the
// rows. (Each call looks up the sequence's addresses again. That costs fewer registers than to keep them.)
template <typename Tile>
__device__ void load_keys(const AttentionArguments& a, const ops::AttentionSequence& sequence, KeyRange range,
                          int first, std::byte* stage) {
  const KeyRows keys(sequence, sequence.cached_keys, sequence.own_keys, a.key_row_bytes, a.key_head_bytes);
  const KeyRows values(sequence, sequence.cached_values, sequence.own_values, a.value_row_bytes, a.value_head_bytes);
  const int key_row = padded_row_bytes(a.key_tile_bytes), value_row = padded_row_bytes(kValueTileBytes<Tile>);
  std::byte* value_rows = stage + Tile::kKeys * key_row;
#pragma unroll 1
  for (int i = warp_index(); i < Tile::kKeys; i += Tile::kWarps) {
    const bool valid = range.contains(first + i);
    load_row<Tile>(stage + i * key_row, a.key_tile_bytes, keys.at(first + i), a.key_head_bytes, valid);
    load_row<Tile>(value_rows + i * value_row, kValueTileBytes<Tile>, values.at(first + i), a.value_head_bytes, valid);
  }
}

}  // namespace gesso::cuda
