// What a block of the kernel for every GPU does with a chunk, besides its products: its way through the tiles and
// steps, copies of weights and of the table's rows as stored, and how these rows are decoded.
#pragma once

#include <algorithm>

#include "cuda/block/swizzle.h"
#include "cuda/decode/tile_decoder.h"
#include "cuda/decode/words.h"
#include "cuda/device/access.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/kernel.h"
#include "cuda/vocabulary/soft_embed_product.h"

namespace gesso::cuda {

constexpr int kSoftThreads = 256;

// A step of the tile whose columns begin at 128 * tile.
struct SoftStep {
  int tile, step;

  __device__ SoftStep(const SoftPlan& plan, int number)
      : tile(number / plan.num_steps), step(number % plan.num_steps) {}
  __device__ void advance(const SoftPlan& plan) {
    if (++step == plan.num_steps) {
      step = 0;
      ++tile;
    }
  }
  __device__ int first_column() const { return tile * kSoftTileColumns; }
};

// The bytes of one stored row that a block copies: those of a tile's columns, from the multiple of 16 bytes before them
// on.
template <typename Decoder>
struct StoredWindow {
  static constexpr int kSpans = std::max(1, kSoftTileColumns / Decoder::kSpanColumns);
  static constexpr int kOffset = 16 - Decoder::kAlignment;  // of the columns in the window, the largest
  static constexpr int kReadBehind = 4;                     // a decoder may read so many bytes behind the columns
  // The number of 16-byte pieces is odd, so that the same piece of 8 neighbouring rows is in different banks.
  static constexpr int kBytes = (kOffset + kSpans * Decoder::kMaxSpanBytes + kReadBehind + 15) / 16 * 16 | 16;
  using Windows = RowWindows<Decoder, kBytes>;
};

// Steps of kTokens tokens, in shared memory.
template <typename Decoder, int kTokens>
struct SoftTile {
  using Window = StoredWindow<Decoder>;
  static constexpr int kStoredBytes = Window::Windows::bytes(kTokens);
  // Decoded to bf16 [kTokens, 128], in two halves of 64 columns, laid out as swizzle.h says.
  static constexpr int kHalfBytes = kTokens * kSwizzledRowBytes;
  static constexpr int kBytes = kHalfBytes * kSoftTileColumns / kSwizzledColumns;
  static constexpr int kUnits = kSoftTileColumns / kUnitColumns;  // of a token

  // Where a tile's columns begin in a stored row.
  __device__ static const uint8_t* stored_columns(const Decoder& decoder, const SoftTable& table, int64_t token,
                                                  int first_column) {
    return table.data + token * table.row_bytes + first_column / Decoder::kSpanColumns * decoder.span_bytes();
  }

  // Starts to copy the windows of a step's tokens, from `token` on. 8 or 4 threads copy a row. Bytes behind the row's
  // end are not copied.
  __device__ static void copy(const Decoder& decoder, const SoftTable& table, int64_t token, int first_column,
                              uint8_t* slot) {
    constexpr int kRowThreads = kSoftThreads / kTokens;
    const int row = static_cast<int>(threadIdx.x) / kRowThreads;
    if (token + row >= table.num_tokens) return;
    const uint8_t* first = stored_columns(decoder, table, token + row, first_column);
    const uint8_t* row_end = table.data + (token + row + 1) * table.row_bytes;
    const uint8_t* end = std::min(first + Window::kSpans * decoder.span_bytes(), row_end);
    const uint8_t* window = first - reinterpret_cast<uintptr_t>(first) % 16;
    uint8_t* target = slot + Window::Windows::place(row, table.row_bytes);
    const int num_bytes = static_cast<int>(end - window), begin = 16 * (static_cast<int>(threadIdx.x) % kRowThreads);
    window += begin;
    target += begin;
#pragma unroll
    for (int offset = 0; offset < Window::kBytes; offset += 16 * kRowThreads) {
      if (begin + offset < num_bytes) copy_async_16(target + offset, window + offset);
    }
  }

  // Decodes unit `unit` of row `row`: 32 columns of a token. Tokens behind the last become zeros: their weight is zero,
  // but zero times NaN would still be NaN. Columns behind the last hold arbitrary values, whose sums nobody reads.
  __device__ static void decode(const Decoder& decoder, const SoftTable& table, int64_t token, int first_column,
                                int row, int unit, const uint8_t* slot, uint8_t* tile) {
    uint32_t columns[kUnitColumns / 2] = {};
    if (token + row < table.num_tokens) {
      const uint8_t* first = stored_columns(decoder, table, token + row, first_column);
      const uint8_t* window = slot + Window::Windows::place(row, table.row_bytes);
      const bool begin_alike = kReadsWords<Decoder> && table.row_bytes % 16 == 0;
      constexpr int kSpanUnits = Decoder::kSpanColumns / kUnitColumns;
      const int from_span = first_column % Decoder::kSpanColumns / kUnitColumns + unit;
      const int offset = static_cast<int>(reinterpret_cast<uintptr_t>(first) % 16);
      decoder.decode(StoredBytes(window + offset, begin_alike) + from_span / kSpanUnits * decoder.span_bytes(),
                     from_span % kSpanUnits, columns);
    }
    uint8_t* half = tile + unit / 2 * kHalfBytes;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      store_to(half + swizzled_offset(row, unit % 2 * 4 + i),
               make_uint4(columns[4 * i], columns[4 * i + 1], columns[4 * i + 2], columns[4 * i + 3]));
    }
  }
};

// Starts to copy the weights of a step of kTokens tokens, for kRows rows. The tile has no others behind `num_rows`:
// these are not copied, and whatever lies in their place gives sums that nobody stores.
template <int kRows, int kTokens>
__device__ inline void copy_soft_weights(const uint16_t* weights, int num_rows, uint8_t* slot) {
  constexpr int kPieces = kTokens * 2 / 16, kRowsAtOnce = kSoftThreads / kPieces;
  const int thread = static_cast<int>(threadIdx.x), left = num_rows - thread / kPieces;
  const uint8_t* source = reinterpret_cast<const uint8_t*>(weights) + 16 * thread;
  uint8_t* target = slot + 16 * thread;
#pragma unroll
  for (int i = 0; i < kRows / kRowsAtOnce; ++i) {
    if (i * kRowsAtOnce < left) copy_async_16(target + i * kSoftThreads * 16, source + i * kSoftThreads * 16);
  }
}

}  // namespace gesso::cuda
