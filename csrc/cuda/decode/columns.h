// Decoders that make the A registers of wgmma from the transpose of stored rows, so that decoded weights never lie in
// shared memory. The rows of A are columns of the table. Its columns are tokens, which are rows of the table.
//
// A warp has 16 neighbouring columns of the table, and a thread two of these: with g = lane / 4, columns 2g and 2g + 1
// are its rows g and g + 8 of A (cuda/device/wgmma.h). So one load of 16 bits gets both codes of a token. Codes of two
// tokens, *even* and *odd*, make a pair of bf16 for each of the two columns.
//
// ColumnDecoder<type> is for one warp's columns: those from 16 * group on, of 128 that begin at column 128 * tile of
// the table. It has
//   static constexpr int kTileBytes          bytes of a row that the 128 columns lie in. They are even, and so are rows
//   static constexpr int kWindowPieces       pieces of 16 bytes that these bytes may lie in
//   static constexpr int kPieces             of which so many are read
//   static constexpr bool kHasScales
// and in device code
//   int64_t begin(int tile)                  where these bytes begin in a row
//   int piece(int tile, int i)               the i-th piece of 16 bytes that decoding reads, of the at most kPieces
//                                            pieces of these bytes. It is at least kWindowPieces where there is none
//   uint32_t scale(const uint8_t* bytes)     of a token, as the sum of two bf16 (split_bf16). Only with kHasScales
//   void decode(const uint8_t* even, const uint8_t* odd, uint32_t high, uint32_t low, uint32_t& first,
//               uint32_t& second)
//        Decodes two tokens. `high` and `low` are pairs of the larger and the smaller parts of their scales.
// Bytes that are all zero decode to numbers that are finite.
//
// How two codes become bf16 without a conversion is explained in fragments.h.
#pragma once

#include "cuda/decode/tile_decoder.h"
#include "cuda/device/access.h"
#include "cuda/device/bf16.h"
#include "cuda/device/bytes.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

template <DType kFormat>
struct ColumnDecoder;

// The pieces of 16 bytes that bytes from an even address on may lie in.
constexpr int max_pieces(int num_bytes) { return (14 + num_bytes + 15) / 16; }

// 16 bits of two tokens: of the first column in the low byte of each half, of the second one in the high byte.
__device__ inline uint32_t load_two(const uint8_t* even, const uint8_t* odd) {
  return permute_bytes(load_from<uint16_t>(even), load_from<uint16_t>(odd), 0x5410);
}

// (codes - zero) * scale, where `minus_zero` is two bf16, and the codes are bf16 to which 128 was added.
__device__ inline uint32_t column_pair(uint32_t codes, uint32_t minus_zero, uint32_t high, uint32_t low) {
  constexpr uint32_t kTwoOnes = 0x3f803f80;
  const uint32_t centred = fma_bf16(codes, kTwoOnes, minus_zero);
  return fma_bf16(centred, high, multiply_bf16(centred, low));
}

template <>
struct ColumnDecoder<DType::kBF16> {
  static constexpr int kTileBytes = 256, kWindowPieces = max_pieces(kTileBytes), kPieces = kWindowPieces;
  static constexpr bool kHasScales = false;

  __device__ ColumnDecoder(int, int group) : place_(32 * group + lane_index() / 4 * 4) {}
  __device__ static int64_t begin(int tile) { return int64_t{kTileBytes} * tile; }
  __device__ static int piece(int, int i) { return i; }
  __device__ void decode(const uint8_t* even, const uint8_t* odd, uint32_t, uint32_t, uint32_t& first,
                         uint32_t& second) const {
    first = load_two(even + place_, odd + place_);
    second = load_two(even + place_ + 2, odd + place_ + 2);
  }

 private:
  int place_;
};

template <>
struct ColumnDecoder<DType::kQ8_0> {
  static constexpr int kTileBytes = 4 * 34, kWindowPieces = max_pieces(kTileBytes), kPieces = kWindowPieces;
  static constexpr bool kHasScales = true;

  __device__ ColumnDecoder(int, int group)
      : block_(34 * (group / 2)), place_(block_ + 2 + 16 * (group % 2) + lane_index() / 4 * 2) {}
  __device__ static int64_t begin(int tile) { return int64_t{kTileBytes} * tile; }
  __device__ static int piece(int, int i) { return i; }
  // In published files rows are a multiple of 16 bytes. Then the scales of all rows are at the same place of a piece,
  // and whole pieces of eight neighbouring rows are in different banks.
  __device__ uint32_t scale(const uint8_t* bytes) const {
    const int offset = static_cast<int>(reinterpret_cast<uintptr_t>(bytes + block_) % 16);
    const uint4 piece = load_from<uint4>(bytes + block_ - offset);
    const uint32_t first = offset & 4 ? piece.y : piece.x, second = offset & 4 ? piece.w : piece.z;
    const uint32_t word = offset & 8 ? second : first;
    return split_bf16(from_half(static_cast<uint16_t>(word >> 8 * (offset & 2))));
  }
  __device__ void decode(const uint8_t* even, const uint8_t* odd, uint32_t high, uint32_t low, uint32_t& first,
                         uint32_t& second) const {
    const uint32_t codes = load_two(even + place_, odd + place_);
    first = pair(codes, high, low);
    second = pair(codes >> 8, high, low);
  }

 private:
  // The low 7 bits of a code make 128 + bits. The sign bit falls on the exponent's last bit, and makes 128 or 256.
  __device__ static uint32_t pair(uint32_t codes, uint32_t high, uint32_t low) {
    constexpr uint32_t kTwo128 = 0x43004300, kTwoMinusOnes = 0xbf80bf80;
    const uint32_t sign = mask_and_flip(codes, 0x00800080, kTwo128);
    const uint32_t minus_zero = multiply_bf16(sign, kTwoMinusOnes);
    return column_pair(mask_and_flip(codes, 0x007f007f, kTwo128), minus_zero, high, low);
  }

  int block_, place_;
};

template <>
struct ColumnDecoder<DType::kQ6_K> {
  static constexpr int kTileBytes = 210;  // a block, which has the columns of two tiles
  static constexpr int kWindowPieces = max_pieces(kTileBytes), kPieces = 10;
  static constexpr bool kHasScales = true;

  __device__ ColumnDecoder(int tile, int group)
      : low_(64 * (tile % 2) + 16 * (group % 4) + lane_index() / 4 * 2),
        high_(128 + 32 * (tile % 2) + 16 * (group % 2) + lane_index() / 4 * 2),
        scale_(192 + 8 * (tile % 2) + group),
        low_shift_(group / 4 * 4),
        high_shift_(group / 2 * 2) {}
  __device__ static int64_t begin(int tile) { return tile / 2 * int64_t{kTileBytes}; }
  // Of an even tile: low bits in pieces 0 to 4, high bits in 8 to 10, scales in 12 and 13. Of an odd one: low bits in 4
  // to 8, high bits and scales in 10 to 13.
  __device__ static int piece(int tile, int i) {
    const int is_odd = tile % 2;
    return i < 5 ? i + 4 * is_odd : i < 8 ? i + 3 + 2 * is_odd : i + 4 + is_odd;
  }
  __device__ uint32_t scale(const uint8_t* bytes) const {
    return split_bf16(from_half(load_from<uint16_t>(bytes + 208)) *
                      static_cast<float>(load_from<int8_t>(bytes + scale_)));
  }
  __device__ void decode(const uint8_t* even, const uint8_t* odd, uint32_t high, uint32_t low, uint32_t& first,
                         uint32_t& second) const {
    const uint32_t codes = load_two(even + low_, odd + low_), bits = load_two(even + high_, odd + high_);
    first = pair(codes >> low_shift_, bits << 4 >> high_shift_, high, low);
    second = pair(codes >> (low_shift_ + 8), bits >> (high_shift_ + 4), high, low);
  }

 private:
  // The lowest 4 bits of each half of `codes`, and bits 4 and 5 of `bits`.
  __device__ static uint32_t pair(uint32_t codes, uint32_t bits, uint32_t high, uint32_t low) {
    constexpr uint32_t kTwo128 = 0x43004300, kTwoMinus160 = 0xc320c320;
    const uint32_t both = mask_and_flip(bits, 0x00300030, mask_and_flip(codes, 0x000f000f, kTwo128));
    return column_pair(both, kTwoMinus160, high, low);
  }

  int low_, high_, scale_, low_shift_, high_shift_;
};

}  // namespace gesso::cuda
