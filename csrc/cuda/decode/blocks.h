// Decoders of the formats with blocks of 32 or 64 elements. csrc/quant shows how their bytes lie.
#pragma once

#include "cuda/decode/codes.h"
#include "cuda/decode/words.h"
#include "cuda/device/access.h"
#include "quant/blocks/mxfp4.h"
#include "quant/blocks/nvfp4.h"

namespace gesso::cuda {

// The common part of these decoders. A span has kBlocks blocks, each of kBytes bytes and kElements elements.
template <typename Decoder, int kElements, int kBytes, int kBlocks, int kAligned>
struct BlockDecoder {
  static constexpr int kSpanColumns = kElements * kBlocks;
  static constexpr int kMaxSpanBytes = kBytes * kBlocks;
  static constexpr int kAlignment = kAligned;
  static constexpr int kPasses = 1;
  static constexpr bool kHasCodes = true;
  static constexpr bool kHasMin = false;
  static constexpr bool kHasTwoScales = false;

  __device__ explicit BlockDecoder(DType) {}
  __device__ static constexpr int span_bytes() { return kMaxSpanBytes; }
  __device__ static void decode(StoredBytes span, int unit, uint32_t (&out)[16]) {
    codes_to_bf16<Decoder>(Decoder::codes(span, unit), out);
  }

 protected:
  // Unpacks 32 codes of 4 bits: first all low nibbles, then all high ones.
  __device__ static void unpack_nibbles(const uint32_t* words, uint32_t (&codes)[8]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      codes[i] = low_nibbles(words[i]);
      codes[4 + i] = high_nibbles(words[i]);
    }
  }
  __device__ static void look_up_nibbles(const ByteTable& table, const uint32_t* words, uint32_t (&codes)[8]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) look_up(table, words[i], codes[i], codes[4 + i]);
  }
  // Adds a fifth bit to 32 codes: bit 4 of code j is bit j of the word.
  __device__ static void add_bits_4(uint32_t word, uint32_t (&codes)[8]) {
#pragma unroll
    for (int i = 0; i < 8; ++i) codes[i] |= spread_bit_4(word >> 4 * i);
  }
  __device__ static void set_scale(Codes& codes, float scale) { codes.scale[0] = codes.scale[1] = scale; }
  // Both are numbers of half precision, the scale in the low half.
  __device__ static void set_halves(Codes& codes, uint32_t word) {
    set_scale(codes, from_half(static_cast<uint16_t>(word)));
    codes.min = -from_half(static_cast<uint16_t>(word >> 16));
  }
};

template <>
struct TileDecoder<DType::kQ4_0> : BlockDecoder<TileDecoder<DType::kQ4_0>, 32, 18, 8, 2> {
  static constexpr int kZero = 8;
  using BlockDecoder::BlockDecoder;
  __device__ static Codes codes(StoredBytes span, int unit) {
    const StoredBytes block = span + 18 * unit;
    Codes codes = {};
    uint32_t words[4];
    set_scale(codes, from_half(load_half_and_words(block, words)));
    unpack_nibbles(words, codes.bytes);
    return codes;
  }
};

template <>
struct TileDecoder<DType::kQ4_1> : BlockDecoder<TileDecoder<DType::kQ4_1>, 32, 20, 8, 4> {
  static constexpr int kZero = 0;
  static constexpr bool kHasMin = true;
  using BlockDecoder::BlockDecoder;
  __device__ static Codes codes(StoredBytes span, int unit) {
    const StoredBytes block = span + 20 * unit;
    Codes codes = {};
    uint32_t words[5];  // scale and minimum, codes
    load_words<4>(block, words);
    set_halves(codes, words[0]);
    unpack_nibbles(words + 1, codes.bytes);
    return codes;
  }
};

template <>
struct TileDecoder<DType::kQ5_0> : BlockDecoder<TileDecoder<DType::kQ5_0>, 32, 22, 4, 2> {
  static constexpr int kZero = 16;
  using BlockDecoder::BlockDecoder;
  __device__ static Codes codes(StoredBytes span, int unit) {
    const StoredBytes block = span + 22 * unit;
    Codes codes = {};
    uint32_t words[5];  // fifth bits, codes
    set_scale(codes, from_half(load_half_and_words(block, words)));
    unpack_nibbles(words + 1, codes.bytes);
    add_bits_4(words[0], codes.bytes);
    return codes;
  }
};

template <>
struct TileDecoder<DType::kQ5_1> : BlockDecoder<TileDecoder<DType::kQ5_1>, 32, 24, 4, 8> {
  static constexpr int kZero = 0;
  static constexpr bool kHasMin = true;
  using BlockDecoder::BlockDecoder;
  __device__ static Codes codes(StoredBytes span, int unit) {
    const StoredBytes block = span + 24 * unit;
    Codes codes = {};
    uint32_t words[6];  // scale and minimum, fifth bits, codes
    load_words<4>(block, words);
    set_halves(codes, words[0]);
    unpack_nibbles(words + 2, codes.bytes);
    add_bits_4(words[1], codes.bytes);
    return codes;
  }
};

template <>
struct TileDecoder<DType::kQ8_0> : BlockDecoder<TileDecoder<DType::kQ8_0>, 32, 34, 4, 2> {
  static constexpr int kZero = 128;
  using BlockDecoder::BlockDecoder;
  __device__ static Codes codes(StoredBytes span, int unit) {
    const StoredBytes block = span + 34 * unit;
    Codes codes = {};
    set_scale(codes, from_half(load_half_and_words(block, codes.bytes)));
#pragma unroll
    for (uint32_t& word : codes.bytes) word ^= 0x80808080u;
    return codes;
  }
};

// The values of quant::kIq4Values, plus 128.
__device__ constexpr ByteTable iq4_codes() { return {{0x3f2d1801, 0x766a5d4f, 0xa6998d81, 0xf1d9c5b5}}; }

template <>
struct TileDecoder<DType::kIQ4_NL> : BlockDecoder<TileDecoder<DType::kIQ4_NL>, 32, 18, 8, 2> {
  static constexpr int kZero = 128;
  using BlockDecoder::BlockDecoder;
  __device__ static Codes codes(StoredBytes span, int unit) {
    const StoredBytes block = span + 18 * unit;
    Codes codes = {};
    uint32_t words[4];
    set_scale(codes, from_half(load_half_and_words(block, words)));
    look_up_nibbles(iq4_codes(), words, codes.bytes);
    return codes;
  }
};

// The values of quant::kE2M1Values, plus 16.
__device__ constexpr ByteTable e2m1_codes() { return {{0x13121110, 0x1c181614, 0x0d0e0f10, 0x04080a0c}}; }

template <>
struct TileDecoder<DType::kMXFP4> : BlockDecoder<TileDecoder<DType::kMXFP4>, 32, 17, 8, 1> {
  static constexpr int kZero = 16;
  using BlockDecoder::BlockDecoder;
  __device__ static Codes codes(StoredBytes span, int unit) {
    const StoredBytes block = span + 17 * unit;
    Codes codes = {};
    uint32_t words[4];
    load_words<1>(block + 1, words);
    look_up_nibbles(e2m1_codes(), words, codes.bytes);
    set_scale(codes, quant::mxfp4_scale(load_from<uint8_t>(block.at)));
    return codes;
  }
};

template <>
struct TileDecoder<DType::kNVFP4> : BlockDecoder<TileDecoder<DType::kNVFP4>, 64, 36, 4, 4> {
  static constexpr int kZero = 16;
  static constexpr bool kHasTwoScales = true;
  using BlockDecoder::BlockDecoder;
  __device__ static Codes codes(StoredBytes span, int unit) {
    const StoredBytes block = span + 36 * (unit / 2);
    const int half = unit % 2;
    uint32_t scales[1], words[4];
    load_words<4>(block, scales);
    load_words<4>(block + 4 + 16 * half, words);
    Codes codes = {};
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      look_up(e2m1_codes(), words[2 * s], codes.bytes[4 * s], codes.bytes[4 * s + 2]);
      look_up(e2m1_codes(), words[2 * s + 1], codes.bytes[4 * s + 1], codes.bytes[4 * s + 3]);
      codes.scale[s] = quant::nvfp4_scale(static_cast<uint8_t>(scales[0] >> 8 * (2 * half + s)));
    }
    return codes;
  }
};

}  // namespace gesso::cuda
