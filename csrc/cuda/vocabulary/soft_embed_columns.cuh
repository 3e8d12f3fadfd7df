// The stored rows of a table as the kernel for sm_90a uses them: how they are copied to shared memory, a step of tokens
// at a time, and how the columns of a tile are decoded from there.
#pragma once

#include "cuda/decode/columns.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/bytes.h"
#include "cuda/device/kernel.h"
#include "cuda/device/warp.h"
#include "cuda/vocabulary/soft_embed_product.h"

namespace gesso::cuda {

constexpr int kSoftWgmmaThreads = 256;

// Where the stored rows of a step lie in shared memory: of each token the 16-byte pieces with the tile's bytes. The
// number of pieces is odd, so that the bytes of four tokens, as a warp decodes them, are in different banks. After
// eight rows one piece is left out. So the scales of all tokens are too, where rows are no multiple of 4 bytes, as in
// Q6_K with 2816 columns.
template <DType kType>
struct SoftStoredRows {
  static constexpr int kPitch = 16 * (ColumnDecoder<kType>::kWindowPieces | 1);
  static constexpr int kEightRows = 8 * kPitch + 16;
  static constexpr int kBytes = kSoftWgmmaTokens / 8 * kEightRows;

  __device__ static int place(int row) { return row / 8 * kEightRows + row % 8 * kPitch; }
};

// A thread's part of the copies of stored rows: every fourth piece that is needed of a row. Of all steps they are the
// same, as 64 rows are a multiple of 16 bytes. Zeros arrive for rows behind the last token: their weight is zero, but
// zero times NaN would still be NaN. They arrive for pieces behind the table, too.
template <DType kType>
struct SoftRowCopies {
  using Decoder = ColumnDecoder<kType>;
  static constexpr int kRowThreads = kSoftWgmmaThreads / kSoftWgmmaTokens;
  static constexpr int kCopies = (Decoder::kPieces + kRowThreads - 1) / kRowThreads;

  const uint8_t* source;  // the row's first piece
  const uint8_t* table_end;
  int64_t step_bytes;
  int num_tokens;  // from the thread's own token on
  int target;
  int pieces[kCopies];

  __device__ SoftRowCopies(const SoftTable& table, int64_t first_token, int tile)
      : table_end(table.data + table.num_tokens * table.row_bytes), step_bytes(kSoftWgmmaTokens * table.row_bytes) {
    const int row = static_cast<int>(threadIdx.x) / kRowThreads, first = static_cast<int>(threadIdx.x) % kRowThreads;
    const uint8_t* bytes = table.data + (first_token + row) * table.row_bytes + Decoder::begin(tile);
    source = bytes - reinterpret_cast<uintptr_t>(bytes) % 16;
    num_tokens = static_cast<int>(table.num_tokens - first_token) - row;
    target = SoftStoredRows<kType>::place(row);
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int number = first + i * kRowThreads;
      pieces[i] = number < Decoder::kPieces ? Decoder::piece(tile, number) : Decoder::kWindowPieces;
    }
  }

  // Starts the next step's copies.
  __device__ void start(uint8_t* slot) {
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int offset = 16 * pieces[i];
      if (pieces[i] < Decoder::kWindowPieces) {
        copy_async_16(slot + target + offset, source + offset, num_tokens > 0 && source + offset < table_end);
      }
    }
    source += step_bytes;
    num_tokens -= kSoftWgmmaTokens;
  }
};

// A of a step: the thread's two columns of 64 tokens. The products read it while they run.
using SoftFragments = uint32_t[kSoftWgmmaTokens / 16][4];

// Decodes the stored rows of a step, in a warp. Tokens 8 rows apart begin at the same place of a piece, and of all
// steps it is the same.
template <DType kType>
struct SoftDecoding {
  using Decoder = ColumnDecoder<kType>;
  using Stored = SoftStoredRows<kType>;
  Decoder decoder;
  int even, odd;                // of tokens 2t and 2t + 1, with t = lane % 4
  int scaled_even, scaled_odd;  // of those whose scales the lane prepares: 2 * lane and 2 * lane + 1

  __device__ SoftDecoding(const SoftTable& table, int64_t first_token, int tile) : decoder(tile, warp_index()) {
    const uintptr_t bytes =
        reinterpret_cast<uintptr_t>(table.data) + first_token * table.row_bytes + Decoder::begin(tile);
    const auto place = [&](int row) {
      return Stored::place(row) + static_cast<int>((bytes + row * table.row_bytes) % 16);
    };
    even = place(lane_index() % 4 * 2);
    odd = place(lane_index() % 4 * 2 + 1);
    scaled_even = place(2 * lane_index());
    scaled_odd = place(2 * lane_index() + 1);
  }

  __device__ void decode(const uint8_t* slot, SoftFragments& a) const {
    uint32_t high = 0, low = 0;  // pairs of the lane's two scales
    if constexpr (Decoder::kHasScales) {
      const uint32_t first = decoder.scale(slot + scaled_even), second = decoder.scale(slot + scaled_odd);
      high = permute_bytes(first, second, 0x7632);
      low = permute_bytes(first, second, 0x5410);
    }
#pragma unroll
    for (int i = 0; i < kSoftWgmmaTokens / 8; ++i) {
      uint32_t scales[2] = {};
      if constexpr (Decoder::kHasScales) {
        scales[0] = shuffle(high, 4 * i + lane_index() % 4);
        scales[1] = shuffle(low, 4 * i + lane_index() % 4);
      }
      decoder.decode(slot + even + i * Stored::kEightRows, slot + odd + i * Stored::kEightRows, scales[0], scales[1],
                     a[i / 2][i % 2 * 2], a[i / 2][i % 2 * 2 + 1]);
    }
  }
};

}  // namespace gesso::cuda
