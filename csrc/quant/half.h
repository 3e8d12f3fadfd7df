// Converts the 16-bit floats that block formats store to float32 (exactly) and back. The functions use operations on
// bits and exact sums only, so they give the same with every compiler and on every machine. Decoding has no branches,
// so that compilers vectorise loops over it.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "core/device_code.h"

namespace gesso::quant {

// Reads a little endian 16-bit value from any address.
GESSO_HOST_DEVICE inline uint16_t load_u16(const uint8_t* bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

inline void store_u16(uint16_t value, uint8_t* bytes) { std::memcpy(bytes, &value, sizeof(value)); }

// Reads a little endian 32-bit value from any address.
GESSO_HOST_DEVICE inline uint32_t load_u32(const uint8_t* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// IEEE binary16:  s eeeee mmmmmmmmmm  (bias 15)  ->  binary32:  s eeeeeeee mmmmmmmmmm0000000000000  (bias 127)
GESSO_DEVICE inline float half_to_float(uint16_t half) {
  constexpr uint32_t kRebias = (127 - 15) << 23;
  constexpr uint32_t kSmallestNormal = 1 << 23;  // the smallest normal half, after the shift below
  constexpr uint32_t kInfinity = 31 << 23;
  const uint32_t sign = (half & 0x8000u) << 16;
  const uint32_t shifted = (half & 0x7fffu) << 13;

  const uint32_t normal = shifted + kRebias;
  const uint32_t infinity_or_nan = normal + kRebias;  // exponent 31 + 112 + 112 = 255
  // A denormal half with the mantissa m is m * 2^-24. With the exponent 113, its bits mean exactly 2^-14 + m * 2^-24 as
  // a float32. Then 2^-14 is subtracted.
  constexpr uint32_t kTwoToMinus14 = kRebias + kSmallestNormal;
  const float denormal = std::bit_cast<float>(shifted + kTwoToMinus14) - std::bit_cast<float>(kTwoToMinus14);

  // The choice is made with a mask, because compilers turn ?: into a jump around the subtraction.
  const uint32_t denormal_mask = 0u - uint32_t{shifted < kSmallestNormal};
  const uint32_t bits = shifted >= kInfinity ? infinity_or_nan : normal;
  return std::bit_cast<float>((std::bit_cast<uint32_t>(denormal) & denormal_mask) | (bits & ~denormal_mask) | sign);
}

// binary32 to binary16, rounded to nearest, ties to even. Values from 65520 on become infinity. NaN stays NaN.
inline uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // 65520 and above
  if (magnitude < 0x38800000u) {                                               // below 2^-14: a denormal, m * 2^-24
    // The sum with 0.5 has m in its low bits, rounded to nearest, ties to even.
    const float sum = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(sum) - std::bit_cast<uint32_t>(0.5f)));
  }
  const uint32_t rounded = magnitude + 0x0fffu + (magnitude >> 13 & 1u);
  return static_cast<uint16_t>(sign | ((rounded - ((127u - 15u) << 23)) >> 13));
}

// bfloat16 is the upper half of a binary32.
GESSO_DEVICE inline float bfloat16_to_float(uint16_t bfloat16) {
  return std::bit_cast<float>(uint32_t{bfloat16} << 16);
}

// binary32 to bfloat16, rounded to nearest, ties to even. NaN stays NaN.
inline uint16_t float_to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace gesso::quant
