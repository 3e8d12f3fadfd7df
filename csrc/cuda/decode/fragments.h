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
//        on, at least 1; what lies behind them becomes zero. (They end at a unit of 32.)
// Where a step and the one behind it have the same bytes, it has in place of decode
//   Bytes load(const uint8_t* span, int step)
//        What the thread keeps of a row from an even step to the next one.
//   void decode(const uint8_t* span, const Bytes& bytes, int step, uint32_t (&pairs)[8])
//
// Two codes become a pair of bf16 without a conversion: in the low bits of 0x4300, which is 128, a code of up to 7 bits
// makes 128 + code. fma_bf16 takes away 128 and the code that stands for zero, which is exact, and what is left is
// multiplied with the scale. A scale is the sum of two bf16, so that the weight is rounded once. (If the scale were
// rounded to bf16, all weights of a block would err in the same direction.)
//
// Q4_K has a minimum. There the code `zero` is min / scale, rounded to a whole number from 0 to 128. The weight is
// scale * (code - zero) + rest, with a rest of at most half a scale if `zero` is in that range.
#pragma once

#include <bit>

#include "cuda/decode/tile_decoder.h"
#include "cuda/device/access.h"
#include "cuda/device/bf16.h"
#include "cuda/device/bytes.h"
#include "cuda/device/fast_math.h"
#include "cuda/device/kernel.h"
#include "cuda/device/warp.h"

namespace gesso::cuda {

template <DType kFormat>
struct FragmentDecoder;

// A word with the same bits in both halves: two bf16, or two masks.
constexpr uint32_t twice(uint32_t bits) { return bits | bits << 16; }

constexpr uint32_t kOne = twice(0x3f80), kOneHundredTwentyEight = twice(0x4300);

// The two low bytes of a word, in the low bytes of its halves.
__device__ inline uint32_t spread_bytes(uint32_t word) { return permute_bytes(word, 0, 0x4140); }

// 128 + the lowest 4 bits of each half.
__device__ inline uint32_t low_codes(uint32_t halves) {
  return mask_and_flip(halves, twice(0xf), kOneHundredTwentyEight);
}

// values * scale, where `scale` is the sum of two bf16 (split_bf16).
__device__ inline uint32_t scaled(uint32_t values, uint32_t scale) {
  return fma_bf16(values, twice_high(scale), multiply_bf16(values, twice_low(scale)));
}

// The scales of four units of a block of Q4_K and their minimums, each a byte of 6 bits, as in
// quant::unpack_scale_and_min. `header` is the first 16 bytes. Half 0 is units 0 to 3, half 1 the others.
struct ScaleCodes {
  uint32_t scales, mins;

  __device__ ScaleCodes(const uint4& header, int half)
      : scales(half ? (header.w & 0x0f0f0f0fu) | (header.y >> 2 & 0x30303030u) : header.y & 0x3f3f3f3fu),
        mins(half ? (header.w >> 4 & 0x0f0f0f0fu) | (header.z >> 2 & 0x30303030u) : header.z & 0x3f3f3f3fu) {}
};

// 2^23 + a byte of the word.
__device__ inline float byte_in_float(uint32_t word, int byte) {
  return std::bit_cast<float>(permute_bytes(word, 0x4b, 0x4550u | byte));
}

template <>
struct FragmentDecoder<DType::kQ4_K> {
  // Each row has two words for each of 8 units: the scale, and the numbers `rest` and `centre`. The pitch lets eight
  // rows lie in different banks.
  static constexpr int kScalePitch = 80;
  static constexpr bool kWholeSpans = true;

  // Half 0 makes those of units 0 to 3, half 1 the others.
  __device__ static void prepare(const uint8_t* block, uint8_t* scales, int half) {
    const uint4 header = load_from<uint4>(block);
    const ScaleCodes codes(header, half);
    const float d = from_half(static_cast<uint16_t>(header.x));
    const float dmin = from_half(static_cast<uint16_t>(header.x >> 16));
    uint32_t values[8];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      // Scales of half precision times 2^23 are exact, and so are these.
      const float scale = fmaf(d, byte_in_float(codes.scales, i), -0x1p23f * d);
      const float minus_min = fmaf(-dmin, byte_in_float(codes.mins, i), 0x1p23f * dmin);
      const float zero = fmaf(128, saturated_ratio(minus_min, -128 * scale), 0x1.8p23f) - 0x1.8p23f;  // a whole number
      values[2 * i] = split_bf16(scale);
      values[2 * i + 1] = pack_bf16(fmaf(zero, scale, minus_min), -128 - zero);
    }
    store_to(scales + 32 * half, make_uint4(values[0], values[1], values[2], values[3]));
    store_to(scales + 32 * half + 16, make_uint4(values[4], values[5], values[6], values[7]));
  }

  __device__ static void decode(const uint8_t* block, const uint8_t* scales, int step, int, uint32_t (&pairs)[8]) {
    const uint4 both = load_from<uint4>(scales + 16 * step);
    const uint8_t* bytes = block + 16 + 32 * step + lane_index() % 4 * 2;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint32_t codes = spread_bytes(load_from<uint16_t>(bytes + 8 * i));
      pairs[i] = weights(low_codes(codes), both.x, both.y);
      pairs[4 + i] = weights(low_codes(codes >> 4), both.z, both.w);
    }
  }

 private:
  // The weights of codes, to which 128 is added.
  __device__ static uint32_t weights(uint32_t codes, uint32_t scale, uint32_t rest_and_centre) {
    const uint32_t centred = fma_bf16(codes, kOne, twice_high(rest_and_centre));
    const uint32_t small = fma_bf16(centred, twice_low(scale), twice_low(rest_and_centre));
    return fma_bf16(centred, twice_high(scale), small);
  }
};

template <>
struct FragmentDecoder<DType::kQ8_0> {
  static constexpr int kScalePitch = 0;
  static constexpr bool kWholeSpans = false;

  // The low 7 bits of a byte make 128 + bits. The sign bit falls on the exponent's last bit, and makes 128 or 256. The
  // difference is the signed byte.
  __device__ static void decode(const uint8_t* span, const uint8_t*, int step, int left, uint32_t (&pairs)[8]) {
#pragma unroll
    for (int unit = 0; unit < 2; ++unit) {
      const uint8_t* block = span + 34 * (2 * step + unit);
      const float d = unit == 0 || left > kUnitColumns ? from_half(load_from<uint16_t>(block)) : 0.0f;
      const uint32_t scale = split_bf16(d);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const uint32_t bytes = spread_bytes(load_from<uint16_t>(block + 2 + 8 * i + lane_index() % 4 * 2));
        const uint32_t low = mask_and_flip(bytes, twice(0x7f), kOneHundredTwentyEight);
        const uint32_t sign = mask_and_flip(bytes, twice(0x80), kOneHundredTwentyEight);
        pairs[4 * unit + i] = scaled(fma_bf16(sign, twice(0xbf80), low), scale);
      }
    }
  }
};

template <>
struct FragmentDecoder<DType::kQ5_0> {
  static constexpr int kScalePitch = 0;
  static constexpr bool kWholeSpans = false;

  __device__ static void decode(const uint8_t* span, const uint8_t*, int step, int left, uint32_t (&pairs)[8]) {
    const int place = lane_index() % 4 * 2;
#pragma unroll
    for (int unit = 0; unit < 2; ++unit) {
      const uint8_t* block = span + 22 * (2 * step + unit);
      const float d = unit == 0 || left > kUnitColumns ? from_half(load_from<uint16_t>(block)) : 0.0f;
      const uint32_t scale = split_bf16(d);
      const uint32_t bits = load_from<uint16_t>(block + 2) | uint32_t{load_from<uint16_t>(block + 4)} << 16;
      // Of a pair in columns 8i + place and the next one, bit 4 of byte i has the fifth bits.
      const uint32_t even = bits >> place << 4, odd = bits >> place << 3;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const uint32_t codes = spread_bytes(load_from<uint16_t>(block + 6 + 8 * i + place));
        const uint32_t low = permute_bytes(even, odd, 0x0400u + 0x0101u * i);
        const uint32_t high = permute_bytes(even, odd, 0x0602u | 0x0101u * i);
        pairs[4 * unit + i] = scaled(centred(codes, low), scale);
        pairs[4 * unit + 2 + i] = scaled(centred(codes >> 4, high), scale);
      }
    }
  }

 private:
  // 128 + a code, less 144: its lowest 4 bits are in `codes`, and the fifth is bit 4 of each half of `bits`.
  __device__ static uint32_t centred(uint32_t codes, uint32_t bits) {
    return fma_bf16(mask_and_flip(bits, twice(0x10), low_codes(codes)), kOne, twice(0xc310));
  }
};

template <>
struct FragmentDecoder<DType::kQ6_K> {
  static constexpr int kScalePitch = 0;
  static constexpr bool kWholeSpans = true;

  // Four columns of every 16 are a word: 2t, 2t + 1, 2t + 8 and 2t + 9. Two steps have the same bytes.
  struct Bytes {
    float d;
    uint32_t low[4], high[2];
  };

  __device__ static Bytes load(const uint8_t* block, int step) {
    Bytes bytes = {from_half(load_from<uint16_t>(block + 208)), {}, {}};
#pragma unroll
    for (int m = 0; m < 4; ++m) bytes.low[m] = load_word(block + 64 * (step / 2) + 16 * m);
#pragma unroll
    for (int m = 0; m < 2; ++m) bytes.high[m] = load_word(block + 128 + 32 * (step / 2) + 16 * m);
    return bytes;
  }

  // Four lanes have the same row. Each makes one of the step's four scales.
  __device__ static void decode(const uint8_t* block, const Bytes& bytes, int step, uint32_t (&pairs)[8]) {
    const int t = lane_index() % 4, shift = step % 2 * 4;
    const auto code = static_cast<int8_t>(load_from<uint8_t>(block + 192 + 4 * step + t));
    const uint32_t own_scale = split_bf16(bytes.d * static_cast<float>(code));
#pragma unroll
    for (int m = 0; m < 4; ++m) {
      const int left = 4 - shift - m / 2 * 2;  // the high bits, to bits 4 and 5
      const uint32_t high = left >= 0 ? bytes.high[m % 2] << left : bytes.high[m % 2] >> -left;
      const uint32_t codes = mask_and_flip(high, 0x30303030u, bytes.low[m] >> shift & 0x0f0f0f0fu);
      const uint32_t scale = shuffle(own_scale, lane_index() - t + m);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const uint32_t pair = permute_bytes(codes, 0x43, 0x4140u + 0x0202u * i);  // 128 + code
        pairs[2 * m + i] = scaled(fma_bf16(pair, kOne, twice(0xc320)), scale);
      }
    }
  }

 private:
  __device__ static uint32_t load_word(const uint8_t* bytes) {
    const uint8_t* of_lane = bytes + lane_index() % 4 * 2;
    return permute_bytes(load_from<uint16_t>(of_lane), load_from<uint16_t>(of_lane + 8), 0x5410);
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
