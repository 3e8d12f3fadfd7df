// Reads words of stored rows from shared memory at any address, so that the rows of a warp are in different banks.
// Looks up values of four bits in a table of bytes.
#pragma once

#include "cuda/device/access.h"
#include "cuda/device/bytes.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

// How many pieces a row's window is moved, so that the threads of a warp find a word of their rows in different banks.
// Example: rows of 1452 bytes (Q5_0, 2112 columns) begin 0, 12, 8, 4, 0, ... bytes behind a multiple of 16. So of every
// four rows one has the word in the first bank of a piece, one in the second, and so on. If each four rows are moved by
// one piece more than the four before, the 8 rows with the word in a first bank have 8 different pieces of the 128
// bytes of all banks. Rows of 2310 bytes (Q6_K, 2816 columns) begin 0, 6, 12, 2, 8, 14, 4, 10, 0, ... bytes behind,
// and are moved by two pieces more after 8 rows. Where all rows begin alike no skew helps, see StoredBytes. Where they
// begin 0, 8, 0, 8, ... bytes behind, two rows meet in a bank.
__host__ __device__ constexpr int window_skew(int row, int64_t row_bytes) {
  if (row_bytes % 16 == 0) return 0;
  return row_bytes % 4 == 0 ? row / 4 : row / 8 * 2;
}

// Whether a decoder reads word by word, as blocks may begin in the middle of a piece.
template <typename Decoder>
constexpr bool kReadsWords = Decoder::kHasCodes && Decoder::kAlignment < 16;

// So many threads copy a row. Each copies a piece at once.
constexpr int kCopyThreadsPerRow = 4;

// Where the windows of rows lie that are copied together. They are kPitch bytes apart, an odd number of pieces.
// `thread` of a block copies piece copied_piece(thread) of row copied_row(thread).
template <typename Decoder, int kPitch>
struct RowWindows {
  static constexpr int kPiecePitch = 16;  // bytes from a piece of a row to the next one
  __device__ static int copied_row(int thread) { return thread / kCopyThreadsPerRow; }
  __device__ static int copied_piece(int thread) { return thread % kCopyThreadsPerRow; }
  static constexpr int bytes(int num_rows) {
    return num_rows * kPitch + (kReadsWords<Decoder> ? 16 * window_skew(num_rows - 1, 4) : 0);
  }
  __device__ static int place(int row, int64_t row_bytes) {
    return row * kPitch + (kReadsWords<Decoder> ? 16 * window_skew(row, row_bytes) : 0);
  }
};

// Where bytes of a stored row lie in shared memory. The threads of a warp read the same bytes of different rows.
struct StoredBytes {
  const uint8_t* at;
  // Whether these rows all begin at the same place of a 16-byte piece. Then a word of four of them is in the same bank,
  // wherever their pieces lie. So whole pieces are read, which eight rows at a time have in different banks, and the
  // words are taken from them. This costs two selections for each word.
  bool begin_alike = false;

  __device__ StoredBytes(const uint8_t* at, bool begin_alike = false) : at(at), begin_alike(begin_alike) {}
  __device__ StoredBytes operator+(int bytes) const { return {at + bytes, begin_alike}; }
  // Of the first byte, from the last multiple of `bytes` on.
  __device__ int offset_in(unsigned bytes) const {
    return static_cast<int>(static_cast<uint32_t>(reinterpret_cast<uintptr_t>(at)) % bytes);
  }
};

__device__ inline void load_piece(const uint8_t* piece, uint32_t* words) {
  const uint4 four = load_from<uint4>(piece);
  words[0] = four.x;
  words[1] = four.y;
  words[2] = four.z;
  words[3] = four.w;
}

// Loads kCount words: the aligned word that the first byte lies in, and those behind it.
template <int kCount>
__device__ inline void load_aligned_words(StoredBytes bytes, uint32_t (&words)[kCount]) {
  if (!bytes.begin_alike) {
    const uint8_t* first = bytes.at - bytes.offset_in(4);
#pragma unroll
    for (int i = 0; i < kCount; ++i) words[i] = load_from<uint32_t>(first + 4 * i);
    return;
  }
  constexpr int kMaxPieces = (3 + kCount + 3) / 4;
  uint32_t pieces[4 * kMaxPieces] = {};
  const int skipped = bytes.offset_in(16) / 4;  // words of the first piece, 0 to 3
#pragma unroll
  for (int i = 0; i < kMaxPieces; ++i) {
    if (4 * i < skipped + kCount) load_piece(bytes.at - bytes.offset_in(16) + 16 * i, pieces + 4 * i);
  }
#pragma unroll
  for (int i = 0; i <= kCount; ++i) pieces[i] = skipped & 2 ? pieces[i + 2] : pieces[i];
#pragma unroll
  for (int i = 0; i < kCount; ++i) words[i] = skipped & 1 ? pieces[i + 1] : pieces[i];
}

// Loads kCount words from an address that is a multiple of kAlignment. Below 4, it reads aligned words and makes each
// result from two of them. The last word that it reads may lie wholly behind the bytes asked for.
template <int kAlignment, int kCount>
__device__ inline void load_words(StoredBytes bytes, uint32_t (&words)[kCount]) {
  if constexpr (kAlignment >= 16) {
    static_assert(kCount % 4 == 0);
#pragma unroll
    for (int i = 0; i < kCount; i += 4) load_piece(bytes.at + 4 * i, words + i);
  } else if constexpr (kAlignment >= 4) {
    load_aligned_words(bytes, words);
  } else {
    uint32_t aligned[kCount + 1];
    load_aligned_words(bytes, aligned);
    const int selector = 0x3210 + 0x1111 * bytes.offset_in(4);
#pragma unroll
    for (int i = 0; i < kCount; ++i) words[i] = permute_bytes(aligned[i], aligned[i + 1], selector);
  }
}

// Loads a number of half precision at an even address, and kCount words behind it. Of all rows the same words are read,
// whether the number is in the low or the high half of its word.
template <int kCount>
__device__ inline uint16_t load_half_and_words(StoredBytes bytes, uint32_t (&words)[kCount]) {
  uint32_t aligned[kCount + 1];
  load_aligned_words(bytes, aligned);
  const int offset = bytes.offset_in(4);  // 0 or 2
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    words[i] = permute_bytes(aligned[i], aligned[i + 1], 0x3210 + 0x1111 * (offset + 2));
  }
  return static_cast<uint16_t>(aligned[0] >> 8 * offset);
}

// The low nibbles, or the high ones, of four bytes: one in each byte of the result.
__device__ inline uint32_t low_nibbles(uint32_t word) { return word & 0x0f0f0f0fu; }
__device__ inline uint32_t high_nibbles(uint32_t word) { return word >> 4 & 0x0f0f0f0fu; }

// Sixteen bytes, four in a word.
struct ByteTable {
  uint32_t words[4];
};

// The bytes of the table at the places that the four lowest nibbles of `nibbles` give.
__device__ inline uint32_t look_up_four(const ByteTable& table, uint32_t nibbles) {
  const uint32_t places = nibbles & 0x7777u;
  const uint32_t first = permute_bytes(table.words[0], table.words[1], places);
  const uint32_t second = permute_bytes(table.words[2], table.words[3], places);
  return permute_bytes(first, second, 0x3210u | (nibbles & 0x8888u) >> 1);
}

// The bytes of the table at the places that the low nibbles of four bytes give, and those for the high nibbles.
__device__ inline void look_up(const ByteTable& table, uint32_t word, uint32_t& low, uint32_t& high) {
  const uint32_t first = look_up_four(table, word), second = look_up_four(table, word >> 16);
  low = permute_bytes(first, second, 0x6420);
  high = permute_bytes(first, second, 0x7531);
}

// Moves bit i of `bits`, for i = 0 to 3, to bit 4 of byte i.
__device__ inline uint32_t spread_bit_4(uint32_t bits) { return (bits & 15) * 0x02040810u & 0x10101010u; }

}  // namespace gesso::cuda
