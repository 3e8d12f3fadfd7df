// The emulated csrc/cuda/device/bf16.h.
#pragma once

#include <bit>

#include "cuda/device/kernel.h"
#include "quant/half.h"

namespace gesso::cuda {

inline uint16_t to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;  // the NaN that the device writes
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

inline uint32_t pack_bf16(float low, float high) {
  return static_cast<uint32_t>(to_bf16(low)) | static_cast<uint32_t>(to_bf16(high)) << 16;
}

inline float from_bf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
inline float bf16_low(uint32_t packed) { return std::bit_cast<float>(packed << 16); }
inline float bf16_high(uint32_t packed) { return std::bit_cast<float>(packed & 0xffff0000u); }

inline uint32_t multiply_bf16(uint32_t a, uint32_t b) {
  return pack_bf16(bf16_low(a) * bf16_low(b), bf16_high(a) * bf16_high(b));
}

// The sum of a product and a third number is made in double precision. There it is exact, unless one of the two is far
// too small to count. The float is rounded to odd, and so a second rounding is like one rounding of the sum.
inline float round_to_odd(double sum) {
  const float nearest = static_cast<float>(sum);
  uint32_t bits = std::bit_cast<uint32_t>(nearest);
  const bool is_inexact = static_cast<double>(nearest) != sum && sum - sum == 0;
  if (is_inexact && (bits & 1) == 0) {
    const bool is_too_large = (nearest > sum) == (sum > 0);
    bits += is_too_large ? -1u : 1u;
  }
  return std::bit_cast<float>(bits);
}

inline uint16_t fma_bf16_once(float a, float b, float c) {
  return to_bf16(round_to_odd(static_cast<double>(a) * b + c));
}

inline uint32_t fma_bf16(uint32_t a, uint32_t b, uint32_t c) {
  return fma_bf16_once(bf16_low(a), bf16_low(b), bf16_low(c)) |
         static_cast<uint32_t>(fma_bf16_once(bf16_high(a), bf16_high(b), bf16_high(c))) << 16;
}

inline uint32_t twice_low(uint32_t word) { return 0x10001u * (word & 0xffffu); }
inline uint32_t twice_high(uint32_t word) { return 0x10001u * (word >> 16); }

inline uint32_t split_bf16(float value) {
  const float high = std::bit_cast<float>(std::bit_cast<uint32_t>(value) & 0xffff0000u);
  return pack_bf16(value - high, high);
}

inline uint32_t pack_half(float low, float high) {
  return static_cast<uint32_t>(quant::float_to_half(low)) | static_cast<uint32_t>(quant::float_to_half(high)) << 16;
}

inline float from_half(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 31;
  const uint32_t fraction = bits & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // zero or subnormal
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

inline uint16_t fma_half_once(uint32_t a, uint32_t b, uint32_t c) {
  const auto value = [](uint32_t bits) { return static_cast<double>(from_half(static_cast<uint16_t>(bits))); };
  return quant::float_to_half(round_to_odd(value(a) * value(b) + value(c)));
}

inline uint32_t fma_half(uint32_t a, uint32_t b, uint32_t c) {
  return fma_half_once(a, b, c) | static_cast<uint32_t>(fma_half_once(a >> 16, b >> 16, c >> 16)) << 16;
}

}  // namespace gesso::cuda
