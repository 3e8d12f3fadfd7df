// The values between which an encoder chooses, apart from their scale: integers in a row, or the entries of a table.
// nearest() takes V, a float or a vector of floats, and has no branches. A search puts a block's largest element at
// kLast, and at levels from there down to kFirst; beyond the last level means that it is cut off. kMirrored: the levels
// below 0 differ so much from those above that it is put on either side.
#pragma once

#include <cstdint>

#include "quant/blocks/iq4_nl.h"
#include "quant/blocks/mxfp4.h"

namespace gesso::quant {

template <typename V>
V clamp(V y, float low, float high) {
  y = y < low ? V{} + low : y;
  return y > high ? V{} + high : y;
}

// To nearest, ties to even, for |y| <= 2^22: behind the sum there are no bits left for a fraction.
template <typename V>
V round(V y) {
  constexpr float kShift = 0x1.8p23f;
  return (y + kShift) - kShift;
}

// low, low + 1 ... high, stored as value - low.
template <int low, int high>
struct IntegerLevels {
  // For 8 bits a start at each integer, so that blocks that were in the format come back exactly.
  static constexpr float kFirst = high > 99 ? 99 : 0.65f * high, kLast = high + 3;
  static constexpr bool kMirrored = low != -high && high < 20;

  template <typename V>
  static V nearest(V y) {
    return round(clamp(y, low, high));
  }
  static uint8_t code(float y) { return static_cast<uint8_t>(static_cast<int>(nearest(y)) - low); }
};

// kIq4Values, stored as the index.
struct Iq4Levels {
  static constexpr float kFirst = 80, kLast = 160;
  static constexpr bool kMirrored = true;

  template <typename V>
  static V nearest(V y) {
    V value = V{} + kIq4Values[0];
    for (int i = 0; i < 15; ++i) value += y > middle(i) ? V{} + (kIq4Values[i + 1] - kIq4Values[i]) : V{};
    return value;
  }
  static uint8_t code(float y) {
    int code = 0;
    for (int i = 0; i < 15; ++i) code += y > middle(i);
    return static_cast<uint8_t>(code);
  }

 private:
  static constexpr float middle(int i) { return (kIq4Values[i] + kIq4Values[i + 1]) / 2; }
};

// kE2M1Values, stored as the index.
struct E2M1Levels {
  template <typename V>
  static V nearest(V y) {
    const V magnitude = y < 0.0f ? -y : y;
    V value{};
    for (int i = 0; i < 7; ++i) value += magnitude > middle(i) ? V{} + (kE2M1Values[i + 1] - kE2M1Values[i]) : V{};
    return y < 0.0f ? -value : value;
  }
  static uint8_t code(float y) {
    int code = 0;
    for (int i = 0; i < 7; ++i) code += (y < 0.0f ? -y : y) > middle(i);
    return static_cast<uint8_t>(code + (y < 0.0f && code > 0 ? 8 : 0));
  }

 private:
  static constexpr float middle(int i) { return (kE2M1Values[i] + kE2M1Values[i + 1]) / 2; }
};

}  // namespace gesso::quant
