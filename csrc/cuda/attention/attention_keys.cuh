// Brings the keys and values of one key-value head from the cache to shared memory.
#pragma once

#include "cuda/attention/attention_memory.h"
#include "cuda/attention/attention_tile.cuh"
#include "cuda/device/async_copy.h"

namespace gesso::cuda {

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

// Copies keys and values to shared memory, step by step. The block's warps share the rows of a step.
//
// A step is plain where all its rows are needed and lie in one place, in the cache or among the sequence's own. Its
// rows are then a fixed number of bytes apart. In a canvas over 1023 cached tokens these are 38 of 41 steps: not the
// first, not the last, and not the one with both kinds of rows.
template <typename Tile>
class KeyCopies {
 public:
  // Starts the copies of the step at `first`, and prepares those of the step at `next`. A row that no query sees
  // becomes zero: its weight is 0, but 0 times NaN would be NaN.
  __device__ void start(const AttentionArguments& a, const ops::AttentionSequence& sequence, KeyRange range, int first,
                        int next, std::byte* stage) {
    if (first + Tile::kKeys <= plain_end_) {
      start_plain(a, stage);
      key_ += int64_t{next - first} * a.key_row_bytes;
      value_ += int64_t{next - first} * a.value_row_bytes;
    } else {
      start_any(a, sequence, range, first, stage);
      prepare(a, sequence, range, next);
    }
  }

 private:
  using Rows = typename Tile::Rows;

  static __device__ KeyRows keys(const AttentionArguments& a, const ops::AttentionSequence& sequence) {
    return KeyRows(sequence, sequence.cached_keys, sequence.own_keys, a.key_row_bytes, a.key_head_bytes);
  }
  static __device__ KeyRows values(const AttentionArguments& a, const ops::AttentionSequence& sequence) {
    return KeyRows(sequence, sequence.cached_values, sequence.own_values, a.value_row_bytes, a.value_head_bytes);
  }

  __device__ void prepare(const AttentionArguments& a, const ops::AttentionSequence& sequence, KeyRange range,
                          int next) {
    const KeyRows key_rows = keys(a, sequence), value_rows = values(a, sequence);
    key_ = key_rows.at(next + warp_index()) + kPieceBytes * lane_index();
    value_ = value_rows.at(next + warp_index()) + kPieceBytes * lane_index();
    plain_end_ = next < key_rows.own_begin ? std::min(key_rows.own_begin, range.end) : range.end;
  }

  // Starts the copies of this lane's pieces of a row. Dims that a head does not have become zero.
  template <bool kIsKey>
  static __device__ void start_row(const AttentionArguments& a, std::byte* shared, const std::byte* row, bool valid) {
    const int tile_bytes = kIsKey && Tile::kHasOneCopy ? a.key_head_bytes : value_tile_bytes(Tile::kDim);
    const int given_bytes = kIsKey ? a.key_head_bytes : a.value_head_bytes;
    constexpr int kBytes = kIsKey ? Rows::kKeyBytes : value_tile_bytes(Tile::kDim),
                  kWarpBytes = kPieceBytes * kWarpSize;
    constexpr int kPieces = (kBytes + kWarpBytes - 1) / kWarpBytes;  // of a lane
#pragma unroll
    for (int piece = 0; piece < kPieces; ++piece) {
      const int begin = kPieceBytes * kWarpSize * piece, byte = begin + kPieceBytes * lane_index();
      if (byte < tile_bytes)
        copy_async_16(shared + piece * Rows::kNextPieces, row + begin, valid && byte < given_bytes);
    }
  }

  __device__ void start_plain(const AttentionArguments& a, std::byte* stage) const {
    std::byte* shared = stage + Rows::place(warp_index());
    const std::byte *key = key_, *value = value_;
#pragma unroll
    for (int i = 0; i < Tile::kKeys; i += Tile::kWarps) {
      start_row<true>(a, shared + i * Rows::kRowBytes, key, true);
      start_row<false>(a, shared + Rows::kValuesBegin + i * Rows::kRowBytes, value, true);
      key += Tile::kWarps * a.key_row_bytes;
      value += Tile::kWarps * a.value_row_bytes;
    }
  }

  static __device__ void start_any(const AttentionArguments& a, const ops::AttentionSequence& sequence, KeyRange range,
                                   int first, std::byte* stage) {
    const KeyRows key_rows = keys(a, sequence), value_rows = values(a, sequence);
    const int lane_byte = kPieceBytes * lane_index();
#pragma unroll 1
    for (int i = warp_index(); i < Tile::kKeys; i += Tile::kWarps) {
      const bool valid = range.contains(first + i);
      std::byte* shared = stage + Rows::place(i);
      start_row<true>(a, shared, key_rows.at(first + i) + lane_byte, valid);
      start_row<false>(a, shared + Rows::kValuesBegin, value_rows.at(first + i) + lane_byte, valid);
    }
  }

  // Of the next step: this lane's first piece of the warp's first key, and of its value.
  const std::byte *key_ = nullptr, *value_ = nullptr;
  int plain_end_ = 0;  // a step that ends here or before is plain; the first one is not
};

}  // namespace gesso::cuda
