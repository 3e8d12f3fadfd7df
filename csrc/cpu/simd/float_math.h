// exp, log, tanh and gelu of one float or of 16 floats at once. They have no branches, so that compilers vectorise
// loops over them (vector_math.h has such loops). They are compiled without fused multiply-adds, so their bits are the
// same on every instruction set. Errors are given in ulp, units in the last place of the exact result. The coefficients
// of the polynomials minimise the largest relative error on their range.
#pragma once

#include <bit>
#include <limits>

#include "cpu/simd/lanes.h"

namespace gesso::cpu {

GESSO_INLINE uint32_t to_bits(float x) { return std::bit_cast<uint32_t>(x); }
GESSO_INLINE LaneBits to_bits(Lanes x) { return std::bit_cast<LaneBits>(x); }
GESSO_INLINE float from_bits(uint32_t bits) { return std::bit_cast<float>(bits); }
GESSO_INLINE Lanes from_bits(LaneBits bits) { return std::bit_cast<Lanes>(bits); }

// The exponent in x = 2^exponent (1 + fraction), where 1 + fraction is in [sqrt 1/2, sqrt 2). The argument is the bits
// of a normal x > 0 minus the bits of sqrt 1/2.
GESSO_INLINE float exponent_of(uint32_t above_sqrt_half) { return static_cast<float>(int32_t(above_sqrt_half) >> 23); }
GESSO_INLINE Lanes exponent_of(LaneBits above_sqrt_half) {
  return __builtin_convertvector(std::bit_cast<LaneInts>(above_sqrt_half) >> 23, Lanes);
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// ln 2 = kLn2High + kLn2Low. kLn2High has 9 bits, so that its products with exponents are exact.
constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;

// e^x with an error of at most 1 ulp. Results below the least normal float are 0. T is float or Lanes, here and below.
template <typename T>
GESSO_INLINE T exp(T x) {
  constexpr float kLog2E = 1.44269504f;
  constexpr float kToWhole = 12582912.0f;                      // 1.5 * 2^23; adding it rounds to a whole number
  constexpr float kLeast = -87.3365402f, kMost = 88.7228317f;  // ln 2^-126 and ln 2^128, rounded towards 0
  const T not_small = x > kLeast ? x : kLeast;
  const T inside = not_small < kMost ? not_small : kMost;
  // x = n ln 2 + r, with a whole number n.
  const T whole = inside * kLog2E + kToWhole;
  const T n = whole - kToWhole;
  const T r = inside - n * kLn2High - n * kLn2Low;
  T p = 1.381453988e-03f * r + 8.368745127e-03f;
  p = p * r + 4.166839079e-02f;
  p = p * r + 1.666652040e-01f;
  p = p * r + 4.999999343e-01f;
  p = 1.0f + (r + r * r * p);
  const T scaled = from_bits(to_bits(p) + (to_bits(whole) << 23));  // times 2^n, which the low bits of `whole` hold
  const T below = x > kMost ? kInfinity : scaled;
  const T ordered = x < kLeast ? 0.0f : below;
  return x != x ? x : ordered;
}

// ln x with an error of at most 1 ulp, also for denormal x. ln 0 is -inf; negative x give NaN.
template <typename T>
GESSO_INLINE T log(T x) {
  constexpr uint32_t kSqrtHalf = 0x3f3504f3u;
  const T normal = x < std::numeric_limits<float>::min() ? x * 8388608.0f : x;  // 2^23
  const auto above = to_bits(normal) - kSqrtHalf;
  const T exponent = exponent_of(above);
  const T n = x < std::numeric_limits<float>::min() ? exponent - 23.0f : exponent;
  const T f = from_bits((above & 0x007fffffu) + kSqrtHalf) - 1.0f;
  T p = -7.634438016e-02f * f + 1.276350026e-01f;
  p = p * f - 1.316109356e-01f;
  p = p * f + 1.420156375e-01f;
  p = p * f - 1.662325096e-01f;
  p = p * f + 2.000123136e-01f;
  p = p * f - 2.500082390e-01f;
  p = p * f + 3.333333170e-01f;
  const T square = f * f;
  const T finite = (f + (square * f * p + n * kLn2Low - 0.5f * square)) + n * kLn2High;
  const T below = x == kInfinity ? x : finite;
  const T positive = x == 0.0f ? -kInfinity : below;
  return x >= 0.0f ? positive : std::numeric_limits<float>::quiet_NaN();
}

// tanh x with an error of at most 2 ulp.
template <typename T>
GESSO_INLINE T tanh(T x) {
  const T size = from_bits(to_bits(x) & 0x7fffffffu), square = x * x;
  T p = -5.717044511e-03f * square + 2.065058678e-02f;
  p = p * square - 5.374349792e-02f;
  p = p * square + 1.333149128e-01f;
  p = p * square - 3.333328393e-01f;
  const T small = size + size * square * p;
  const T large = 1.0f - 2.0f / (exp(2.0f * size) + 1.0f);
  const T magnitude = size < 0.625f ? small : large;
  return from_bits(to_bits(magnitude) | (to_bits(x) & 0x80000000u));
}

// x (1 + tanh y) / 2 with y = sqrt(2 / pi) (x + 0.044715 x^3). It is computed as x / (1 + e^-2y), which is equal. The
// sum with tanh y would lose digits where tanh y is near -1.
template <typename T>
GESSO_INLINE T gelu_tanh(T x) {
  constexpr float kSqrtTwoOverPi = 0.7978845608028654f;
  const T y = kSqrtTwoOverPi * (x + 0.044715f * x * x * x);
  return x / (1.0f + exp(-2.0f * y));
}

}  // namespace gesso::cpu
