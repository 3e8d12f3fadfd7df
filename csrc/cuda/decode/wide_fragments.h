// Fragments (fragments.h) of the types that only products without experts decode in registers.
#pragma once

#include <bit>

#include "cuda/decode/fragments.h"
#include "cuda/decode/super_blocks.h"
#include "quant/blocks/mxfp4.h"

namespace gesso::cuda {

template <>
struct FragmentDecoder<DType::kBF16> {
  static constexpr int kScalePitch = 0;
  static constexpr bool kWholeSpans = false;

  // A row may end at any column, and begin at any even address.
  __device__ static void decode(const uint8_t* span, const uint8_t*, int, int left, uint32_t (&pairs)[8]) {
    const int place = lane_index() % 4 * 2;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int column = 8 * i + place;
      const uint8_t* bytes = span + 2 * column;
      const uint32_t pair = load_from<uint16_t>(bytes) | uint32_t{load_from<uint16_t>(bytes + 2)} << 16;
      pairs[i] = column + 1 < left ? pair : column < left ? pair & 0xffffu : 0;
    }
  }
};

// A code of 4 or 5 bits becomes a float without a conversion: at bit 12 of the mantissa of 2^11 it makes 2^11 + code.
struct NibbleFloats {
  static constexpr float kBias = 0x1p11f;

  // The code is bits 12 to 15 of `word`.
  __device__ static uint32_t code(uint32_t word) {
    return mask_and_flip(word, 0xf000u, std::bit_cast<uint32_t>(kBias));
  }
  // It also has bit 16 of `fifth_bit`.
  __device__ static uint32_t code(uint32_t word, uint32_t fifth_bit) {
    return mask_and_flip(fifth_bit, 0x10000u, code(word));
  }
  __device__ static uint32_t pair(float scale, float bias, uint32_t first, uint32_t second) {
    return pack_bf16(fmaf(scale, std::bit_cast<float>(first), bias), fmaf(scale, std::bit_cast<float>(second), bias));
  }
};

template <>
struct FragmentDecoder<DType::kQ4_0> {
  static constexpr int kScalePitch = 0;
  static constexpr bool kWholeSpans = false;

  __device__ static void decode(const uint8_t* span, const uint8_t*, int step, int left, uint32_t (&pairs)[8]) {
    using Floats = NibbleFloats;
#pragma unroll
    for (int unit = 0; unit < 2; ++unit) {
      const uint8_t* block = span + 18 * (2 * step + unit);
      const float scale = left > kUnitColumns * unit ? from_half(load_from<uint16_t>(block)) : 0.0f;
      const float bias = -(Floats::kBias + 8) * scale;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const uint32_t word = load_from<uint16_t>(block + 2 + 8 * i + lane_index() % 4 * 2);
        pairs[4 * unit + i] = Floats::pair(scale, bias, Floats::code(word << 12), Floats::code(word << 4));
        pairs[4 * unit + 2 + i] = Floats::pair(scale, bias, Floats::code(word << 8), Floats::code(word));
      }
    }
  }
};

template <>
struct FragmentDecoder<DType::kQ5_K> {
  static constexpr int kScalePitch = 0;
  static constexpr bool kWholeSpans = true;

  __device__ static void decode(const uint8_t* block, const uint8_t*, int step, int, uint32_t (&pairs)[8]) {
    using Floats = NibbleFloats;
    const uint4 words = load_from<uint4>(block);
    const uint32_t header[4] = {words.x, words.y, words.z, words.w};
    float scales[2], biases[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      Codes codes = {};
      set_scale_and_min(header, 2 * step + i, codes);
      scales[i] = codes.scale[0];
      biases[i] = fmaf(-Floats::kBias, scales[i], -codes.min);
    }
    const uint8_t* fifth_bits = block + 16 + lane_index() % 4 * 2;
    const uint8_t* nibbles = fifth_bits + 32 + 32 * step;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint32_t word = load_from<uint16_t>(nibbles + 8 * i);
      const uint32_t bits = uint32_t{load_from<uint16_t>(fifth_bits + 8 * i)} >> 2 * step;
      pairs[i] =
          Floats::pair(scales[0], biases[0], Floats::code(word << 12, bits << 16), Floats::code(word << 4, bits << 8));
      pairs[4 + i] =
          Floats::pair(scales[1], biases[1], Floats::code(word << 8, bits << 15), Floats::code(word, bits << 7));
    }
  }
};

// Values of 4 bits become bf16 as they are: the sign to bit 15, the other three to bits 6 to 8. That is the value times
// 2^-126. The first product makes twice the value, as quant::kE2M1Values has it.
template <>
struct FragmentDecoder<DType::kMXFP4> {
  static constexpr int kScalePitch = 0;
  static constexpr bool kWholeSpans = false;

  __device__ static void decode(const uint8_t* span, const uint8_t*, int step, int left, uint32_t (&pairs)[8]) {
    constexpr uint32_t kTwoTo127 = 0x7f007f00;  // two of them
#pragma unroll
    for (int unit = 0; unit < 2; ++unit) {
      const uint8_t* block = span + 17 * (2 * step + unit);
      const uint32_t bits = std::bit_cast<uint32_t>(quant::mxfp4_scale(load_from<uint8_t>(block)));
      const uint32_t scale = left > kUnitColumns * unit ? permute_bytes(bits, 0, 0x3232) : 0;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const uint8_t* bytes = block + 1 + 8 * i + lane_index() % 4 * 2;
        const uint32_t word = load_from<uint8_t>(bytes) | uint32_t{load_from<uint8_t>(bytes + 1)} << 16;
        const uint32_t low = mask_and_flip(word << 12, 0x80008000u, word << 6 & 0x01c001c0u);
        const uint32_t high = mask_and_flip(word << 8, 0x80008000u, word << 2 & 0x01c001c0u);
        pairs[4 * unit + i] = multiply_bf16(multiply_bf16(low, kTwoTo127), scale);
        pairs[4 * unit + 2 + i] = multiply_bf16(multiply_bf16(high, kTwoTo127), scale);
      }
    }
  }
};

}  // namespace gesso::cuda
