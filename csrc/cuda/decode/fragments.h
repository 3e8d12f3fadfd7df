// Decoders that make the A registers of wgmma from stored bytes, so that decoded weights never lie in shared memory.
//
// The rows of A are rows of the weight. Of each row a thread holds columns 2t and 2t + 1 of every 8, where t = lane % 4
// (cuda/device/wgmma.h). So of a step of 64 columns it decodes 8 pairs per row: pair i has columns 8i + 2t, 8i + 2t
// + 1. In most formats the bytes of two such columns lie side by side, and one load of 16 bits gets both.
//
// FragmentDecoder<type> has
//   static constexpr int kScalePitch      bytes of shared memory for the scales of a row; 0 if it needs none
//   static constexpr bool kWholeSpans     whether rows end with a whole span
// and in device code
//   void prepare(const uint8_t* span, uint8_t* scales, int half)
//        Makes the scales of a span's row. Two lanes of a warp share a row: half is 0 or 1. Only with a kScalePitch.
//   void decode(const uint8_t* span, const uint8_t* scales, int step, int left, uint32_t (&pairs)[8])
//        Decodes the thread's pairs of a row. `step` counts the span's steps. The row has `left` columns from this step
//        on; what lies behind them becomes zero. (They end at a unit of 32.)
//
// A code becomes a float without a conversion: put at bit b of the mantissa of 2^(23 - b), it makes 2^(23 - b) + code.
// fmaf(scale, that, -scale * 2^(23 - b) - min) is the weight. This is exact where scale is a number of half precision
// and there is no minimum. In Q4_K and Q6_K it errs by at most 2^-13 scales, a 64th of what the rounding to bf16 does.
#pragma once

#include <bit>

#include "cuda/decode/tile_decoder.h"
#include "cuda/device/access.h"
#include "cuda/device/bf16.h"
#include "cuda/device/bytes.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

template <DType kFormat>
struct FragmentDecoder;

// A scale, and what is added to scale * (bias + code).
struct ScaleAndBias {
  float scale, bias;
};

__device__ inline uint32_t fragment_pair(ScaleAndBias by, uint32_t first, uint32_t second) {
  return pack_bf16(fmaf(by.scale, std::bit_cast<float>(first), by.bias),
                   fmaf(by.scale, std::bit_cast<float>(second), by.bias));
}

// Bits 12 to 15 of a word as 2^11 + code, and bits 16 to 19 as 2^7 + code. A byte that is moved to bit 12 has its low
// nibble and its high nibble there.
constexpr float kLowNibbleBias = 0x1p11f, kHighNibbleBias = 0x1p7f;
__device__ inline uint32_t low_nibble(uint32_t word) { return mask_and_flip(word, 0xf000u, 0x45000000u); }
__device__ inline uint32_t high_nibble(uint32_t word) { return mask_and_flip(word, 0xf0000u, 0x43000000u); }

template <>
struct FragmentDecoder<DType::kQ4_K> {
  // Each row has a ScaleAndBias for each of 8 units. The pitch lets eight rows lie in different banks.
  static constexpr int kScalePitch = 80;
  static constexpr bool kWholeSpans = true;

  // Half 0 makes those of units 0 to 3, half 1 the others.
  __device__ static void prepare(const uint8_t* block, uint8_t* scales, int half) {
    const uint4 header = load_from<uint4>(block);
    // Four scales, and four minimums, as in quant::unpack_scale_and_min.
    const uint32_t late_scales = (header.w & 0x0f0f0f0fu) | (header.y >> 2 & 0x30303030u);
    const uint32_t late_mins = (header.w >> 4 & 0x0f0f0f0fu) | (header.z >> 2 & 0x30303030u);
    const uint32_t scale_codes = half ? late_scales : header.y & 0x3f3f3f3fu;
    const uint32_t min_codes = half ? late_mins : header.z & 0x3f3f3f3fu;
    const float d = from_half(static_cast<uint16_t>(header.x));
    const float dmin = from_half(static_cast<uint16_t>(header.x >> 16));
    float values[8];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      // Scales of half precision times 2^23 are exact, and so are these.
      const float scale = fmaf(d, byte_in_float(scale_codes, i), -0x1p23f * d);
      const float minus_min = fmaf(-dmin, byte_in_float(min_codes, i), 0x1p23f * dmin);
      values[2 * i] = scale;
      values[2 * i + 1] = fmaf(-(i % 2 ? kHighNibbleBias : kLowNibbleBias), scale, minus_min);
    }
    store_to(scales + 32 * half, make_float4(values[0], values[1], values[2], values[3]));
    store_to(scales + 32 * half + 16, make_float4(values[4], values[5], values[6], values[7]));
  }

  __device__ static void decode(const uint8_t* block, const uint8_t* scales, int step, int, uint32_t (&pairs)[8]) {
    const float4 both = load_from<float4>(scales + 16 * step);
    const ScaleAndBias low = {both.x, both.y}, high = {both.z, both.w};
    const uint8_t* bytes = block + 16 + 32 * step + lane_index() % 4 * 2;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint32_t word = load_from<uint16_t>(bytes + 8 * i), first = word << 12, second = word << 4;
      pairs[i] = fragment_pair(low, low_nibble(first), low_nibble(second));
      pairs[4 + i] = fragment_pair(high, high_nibble(first), high_nibble(second));
    }
  }

 private:
  // 2^23 + a byte of the word.
  __device__ static float byte_in_float(uint32_t word, int byte) {
    return std::bit_cast<float>(permute_bytes(word, 0x4b, 0x4550u | byte));
  }
};

template <>
struct FragmentDecoder<DType::kQ8_0> {
  static constexpr int kScalePitch = 0;
  static constexpr bool kWholeSpans = false;

  __device__ static void decode(const uint8_t* span, const uint8_t*, int step, int left, uint32_t (&pairs)[8]) {
#pragma unroll
    for (int unit = 0; unit < 2; ++unit) {
      const uint8_t* block = span + 34 * (2 * step + unit);
      const float scale = left > kUnitColumns * unit ? from_half(load_from<uint16_t>(block)) : 0.0f;
      const ScaleAndBias by = {scale, -(0x1p15f + 128) * scale};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const uint32_t word = load_from<uint16_t>(block + 2 + 8 * i + lane_index() % 4 * 2);
        pairs[4 * unit + i] = fragment_pair(by, unsigned_byte(word << 8), unsigned_byte(word));
      }
    }
  }

 private:
  // 2^15 + 128 + the signed byte 1 of the word.
  __device__ static uint32_t unsigned_byte(uint32_t word) { return mask_and_flip(word, 0xff00u, 0x47008000u); }
};

template <>
struct FragmentDecoder<DType::kQ5_0> {
  static constexpr int kScalePitch = 0;
  static constexpr bool kWholeSpans = false;

  // The codes of even and odd columns are at different bits, so that one shift puts the fifth bits of both in place.
  __device__ static void decode(const uint8_t* span, const uint8_t*, int step, int left, uint32_t (&pairs)[8]) {
    const int place = lane_index() % 4 * 2;
#pragma unroll
    for (int unit = 0; unit < 2; ++unit) {
      const uint8_t* block = span + 22 * (2 * step + unit);
      const float scale = left > kUnitColumns * unit ? from_half(load_from<uint16_t>(block)) : 0.0f;
      const uint32_t bits = (load_from<uint16_t>(block + 2) | uint32_t{load_from<uint16_t>(block + 4)} << 16) >> place;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const uint32_t word = load_from<uint16_t>(block + 6 + 8 * i + place);
        const uint32_t low = i == 0 ? bits << 16 : bits << 8;  // the fifth bits at 16 and 17
        const uint32_t high = i == 0 ? bits << 4 : bits >> 4;  // at 20 and 21
        pairs[4 * unit + i] = pair<12>(scale, word, low);
        pairs[4 * unit + 2 + i] = pair<16>(scale, word, high);
      }
    }
  }

 private:
  // Bit 4 of the even code is at kBit + 4 of `bits`, and that of the odd code one higher.
  template <int kBit>
  __device__ static uint32_t pair(float scale, uint32_t word, uint32_t bits) {
    constexpr float kEven = float{1 << (23 - kBit)}, kOdd = kEven / 2;
    const uint32_t even = mask_and_flip(bits, 16u << kBit, std::bit_cast<uint32_t>(kEven));
    const uint32_t odd = mask_and_flip(bits, 32u << kBit, std::bit_cast<uint32_t>(kOdd));
    const float first = std::bit_cast<float>(mask_and_flip(word << 12, 15u << kBit, even));
    const float second = std::bit_cast<float>(mask_and_flip(word << 5, 30u << kBit, odd));
    return pack_bf16(fmaf(scale, first, -(kEven + 16) * scale), fmaf(scale, second, -(kOdd + 16) * scale));
  }
};

template <>
struct FragmentDecoder<DType::kQ6_K> {
  static constexpr int kScalePitch = 0;
  static constexpr bool kWholeSpans = true;

  __device__ static void decode(const uint8_t* block, const uint8_t*, int step, int, uint32_t (&pairs)[8]) {
    const int half = step / 2, shift = step % 2 * 4, place = lane_index() % 4 * 2;
    const float d = from_half(load_from<uint16_t>(block + 208));
    const uint8_t* low = block + 64 * half + place;
    const uint8_t* high = block + 128 + 32 * half + place;
    uint32_t bits[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) bits[i] = uint32_t{load_from<uint16_t>(high + 8 * i)} >> shift;
#pragma unroll
    for (int unit = 0; unit < 2; ++unit) {
      const uint16_t codes = load_from<uint16_t>(block + 192 + 4 * step + 2 * unit);
      const float scales[2] = {d * static_cast<float>(static_cast<int8_t>(codes)),
                               d * static_cast<float>(static_cast<int8_t>(codes >> 8))};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const uint32_t word = uint32_t{load_from<uint16_t>(low + 32 * unit + 8 * i)} >> shift;
        const ScaleAndBias by = {scales[i / 2], -(kLowNibbleBias + 32) * scales[i / 2]};
        pairs[4 * unit + i] =
            fragment_pair(by, code(word << 12, bits[i] << (16 - 2 * unit)), code(word << 4, bits[i] << (8 - 2 * unit)));
      }
    }
  }

 private:
  // 2^11 + a code: bits 12 to 15 of `word`, and bits 16 and 17 of `bits`.
  __device__ static uint32_t code(uint32_t word, uint32_t bits) {
    return mask_and_flip(word, 0xf000u, mask_and_flip(bits, 0x30000u, 0x45000000u));
  }
};

// Values of 4 bits become bf16 as they are: the sign to bit 15, the other three to bits 6 to 8. That is the value times
// 2^-126. In the same way a scale becomes bf16 times 2^-120. The products are exact, as a weight has at
// most 6 binary digits.
template <>
struct FragmentDecoder<DType::kNVFP4> {
  static constexpr int kScalePitch = 0;
  static constexpr bool kWholeSpans = false;

  __device__ static void decode(const uint8_t* span, const uint8_t*, int step, int, uint32_t (&pairs)[8]) {
    constexpr uint32_t kTwoTo123 = 0x7d007d00;  // two of them
    const uint8_t* block = span + 36 * step;
    // As in quant/blocks/nvfp4.h, the sign of a scale is ignored, and 0x7f, which would be NaN, counts as 0.
    const uint32_t scales = load_from<uint32_t>(block) & 0x7f7f7f7fu;
    const uint32_t numbers = scales & ~(((scales + 0x01010101u) >> 7 & 0x01010101u) * 0x7fu);
#pragma unroll
    for (int s = 0; s < 4; ++s) {
      const uint32_t scale = multiply_bf16(permute_bytes(numbers, 0, 0x4040u | 0x0101u * s) << 4, kTwoTo123);
      const uint32_t word = permute_bytes(load_from<uint16_t>(block + 4 + 8 * s + lane_index() % 4 * 2), 0, 0x4140);
      const uint32_t low = mask_and_flip(word << 12, 0x80008000u, word << 6 & 0x01c001c0u);
      const uint32_t high = mask_and_flip(word << 8, 0x80008000u, word << 2 & 0x01c001c0u);
      pairs[2 * s] = multiply_bf16(multiply_bf16(low, kTwoTo123), scale);
      pairs[2 * s + 1] = multiply_bf16(multiply_bf16(high, kTwoTo123), scale);
    }
  }
};

}  // namespace gesso::cuda
