// Decoders of the formats with super-blocks of 256 elements. A span is one super-block. csrc/quant shows how its bytes
// lie.
#pragma once

#include "cuda/decode/blocks.h"
#include "cuda/decode/codes.h"
#include "cuda/decode/words.h"

namespace gesso::cuda {

// Sets a unit's scale and minimum from the first 16 bytes of a block of Q4_K or Q5_K: d, dmin and the packed scales.
__device__ inline void set_scale_and_min(const uint32_t (&header)[4], int unit, Codes& codes) {
  const int shift = 8 * (unit % 4);
  const uint32_t first = header[1] >> shift, second = header[2] >> shift, third = header[3] >> shift;
  const bool is_early = unit < 4;  // as in quant::unpack_scale_and_min
  const uint32_t scale = is_early ? first & 63 : (third & 15) | (first >> 2 & 48);
  const uint32_t min = is_early ? second & 63 : (third >> 4 & 15) | (second >> 2 & 48);
  codes.scale[0] = codes.scale[1] = from_half(static_cast<uint16_t>(header[0])) * static_cast<float>(scale);
  codes.min = from_half(static_cast<uint16_t>(header[0] >> 16)) * static_cast<float>(min);
}

template <>
struct TileDecoder<DType::kQ4_K> : BlockDecoder<TileDecoder<DType::kQ4_K>, 256, 144, 1, 16> {
  static constexpr int kZero = 0;
  static constexpr bool kHasMin = true;
  using BlockDecoder::BlockDecoder;
  __device__ static Codes codes(StoredBytes block, int unit) {
    uint32_t header[4];
    Codes codes = {};
    load_words<16>(block, header);
    set_scale_and_min(header, unit, codes);
    load_words<16>(block + 16 + 32 * (unit / 2), codes.bytes);
#pragma unroll
    for (uint32_t& word : codes.bytes) word = low_nibbles(word >> 4 * (unit % 2));
    return codes;
  }
};

template <>
struct TileDecoder<DType::kQ5_K> : BlockDecoder<TileDecoder<DType::kQ5_K>, 256, 176, 1, 16> {
  static constexpr int kZero = 0;
  static constexpr bool kHasMin = true;
  using BlockDecoder::BlockDecoder;
  __device__ static Codes codes(StoredBytes block, int unit) {
    uint32_t header[4], high[8];
    Codes codes = {};
    load_words<16>(block, header);
    set_scale_and_min(header, unit, codes);
    load_words<16>(block + 16, high);
    load_words<16>(block + 48 + 32 * (unit / 2), codes.bytes);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      codes.bytes[i] = low_nibbles(codes.bytes[i] >> 4 * (unit % 2)) | (high[i] >> unit & 0x01010101u) << 4;
    }
    return codes;
  }
};

template <>
struct TileDecoder<DType::kQ6_K> : BlockDecoder<TileDecoder<DType::kQ6_K>, 256, 210, 1, 2> {
  static constexpr int kZero = 32;
  static constexpr bool kHasTwoScales = true;
  using BlockDecoder::BlockDecoder;
  __device__ static Codes codes(StoredBytes block, int unit) {
    const int half = unit / 4, k = unit % 4;
    uint32_t high[8];
    Codes codes = {};
    load_words<2>(block + 64 * half + 32 * (k % 2), codes.bytes);
    load_words<2>(block + 128 + 32 * half, high);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      codes.bytes[i] = low_nibbles(codes.bytes[i] >> 4 * (k / 2)) | (high[i] >> 2 * k & 0x03030303u) << 4;
    }
    // As everything else here, the scales are read from a multiple of 4 in the block. Then the words that are read are
    // at the same place in all rows (raw_tile.cuh), whether a row begins at a multiple of 4 or between two.
    uint32_t two_units[1];
    load_words<2>(block + 192 + 4 * (unit / 2), two_units);
    const uint32_t scales = two_units[0] >> 16 * (unit % 2);
    uint32_t d_bits[1];
    load_aligned_words(block + 208, d_bits);
    const float d = from_half(static_cast<uint16_t>(d_bits[0] >> 8 * block.offset_in(4)));
    codes.scale[0] = d * static_cast<float>(static_cast<int8_t>(scales));
    codes.scale[1] = d * static_cast<float>(static_cast<int8_t>(scales >> 8));
    return codes;
  }
};

template <>
struct TileDecoder<DType::kIQ4_XS> : BlockDecoder<TileDecoder<DType::kIQ4_XS>, 256, 136, 1, 8> {
  static constexpr int kZero = 128;
  using BlockDecoder::BlockDecoder;
  __device__ static Codes codes(StoredBytes block, int unit) {
    uint32_t header[2], words[4];
    Codes codes = {};
    load_words<4>(block, header);
    const uint32_t low = header[1] >> 4 * unit & 15, high = header[0] >> 16 >> 2 * unit & 3;
    load_words<4>(block + 8 + 16 * unit, words);
    look_up_nibbles(iq4_codes(), words, codes.bytes);
    set_scale(codes,
              from_half(static_cast<uint16_t>(header[0])) * static_cast<float>(static_cast<int>(low | high << 4) - 32));
    return codes;
  }
};

}  // namespace gesso::cuda
