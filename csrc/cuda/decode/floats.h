// Decoders of the types without blocks. Their spans have 64 elements.
#pragma once

#include <bit>

#include "cuda/decode/tile_decoder.h"
#include "cuda/decode/words.h"
#include "cuda/device/bf16.h"

namespace gesso::cuda {

template <int kElementBytes>
struct FloatDecoder {
  static constexpr int kSpanColumns = 64;
  static constexpr int kMaxSpanBytes = kSpanColumns * kElementBytes;
  static constexpr int kAlignment = kElementBytes;
  static constexpr int kPasses = 1;
  static constexpr bool kHasCodes = false;

  __device__ explicit FloatDecoder(DType) {}
  __device__ static constexpr int span_bytes() { return kMaxSpanBytes; }

  // Loads words of a row. As a rule their address is a multiple of 16, but it need not be.
  template <int kCount>
  __device__ static void load(const uint8_t* bytes, uint32_t (&words)[kCount]) {
    if (reinterpret_cast<uintptr_t>(bytes) % 16 == 0) return load_words<16>(bytes, words);
    load_words<kElementBytes>(bytes, words);
  }
};

template <>
struct TileDecoder<DType::kBF16> : FloatDecoder<2> {
  using FloatDecoder::FloatDecoder;
  __device__ static void decode(StoredBytes span, int unit, uint32_t (&out)[16]) {
    load(span.at + 2 * kUnitColumns * unit, out);
  }
};

template <>
struct TileDecoder<DType::kF16> : FloatDecoder<2> {
  using FloatDecoder::FloatDecoder;
  __device__ static void decode(StoredBytes span, int unit, uint32_t (&out)[16]) {
    load(span.at + 2 * kUnitColumns * unit, out);
#pragma unroll
    for (uint32_t& word : out) {
      word = pack_bf16(from_half(static_cast<uint16_t>(word)), from_half(static_cast<uint16_t>(word >> 16)));
    }
  }
};

template <>
struct TileDecoder<DType::kF32> : FloatDecoder<4> {
  using FloatDecoder::FloatDecoder;

  // Each element is the sum of two bf16. The high part is the nearest bf16, and the low part is the bf16 nearest to the
  // rest. Returns either the high parts or the low parts of a unit.
  __device__ static void decode_part(const uint8_t* unit, bool is_low, uint32_t (&out)[16]) {
#pragma unroll
    for (int first = 0; first < 16; first += 4) {
      uint32_t words[8];
      load(unit + 8 * first, words);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float low = std::bit_cast<float>(words[2 * i]), high = std::bit_cast<float>(words[2 * i + 1]);
        uint32_t pair = pack_bf16(low, high);
        if (is_low) pair = pack_bf16(low - bf16_low(pair), high - bf16_high(pair));
        out[first + i] = pair;
      }
    }
  }
  __device__ static void decode(StoredBytes span, int unit, uint32_t (&out)[16]) {
    decode_part(span.at + 4 * kUnitColumns * unit, false, out);
  }
};

// F32 for products with rows of RowType::kSplitBF16. Every 64 columns come three times: as high, high and low parts.
struct SplitDecoder : TileDecoder<DType::kF32> {
  static constexpr int kPasses = 3;
  static constexpr int kSpanColumns = kPasses * FloatDecoder::kSpanColumns;
  using TileDecoder::TileDecoder;

  __device__ static void decode(StoredBytes span, int unit, uint32_t (&out)[16]) {
    decode_part(span.at + 4 * kUnitColumns * (unit % 2), unit / 2 == 2, out);
  }
};

}  // namespace gesso::cuda
