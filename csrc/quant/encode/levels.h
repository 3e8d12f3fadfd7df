// The levels of a format: the values x / scale that a block can store. They are integers in a row, or the entries of a
// table. nearest() rounds to a level; it takes V, a float or a vector of floats, and has no branches. code() gives what
// the block stores for a level.
//
// A search for the best scale (search.h) tries scales with which the block's largest element lies at kLast, and at
// other places down to kFirst. kLast lies beyond the last level, so there the element is cut off. kMirrored means that
// the levels below 0 differ much from those above; then the largest element is tried on both sides of 0.
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

// Rounds to the nearest integer, ties to even, for |y| <= 2^22. A sum with 1.5 * 2^23 has no bits for a fraction.
template <typename V>
V round(V y) {
  constexpr float kShift = 0x1.8p23f;
  return (y + kShift) - kShift;
}

// The levels low, low + 1 ... high. A level is stored as level - low.
template <int low, int high>
struct IntegerLevels {
  // For 8 bits the search tries the largest element at each integer from 99 to 130. So values that were decoded from 8
  // bits come back exactly if the largest level was at least 99.
  static constexpr float kFirst = high > 99 ? 99 : 0.65f * high, kLast = high + 3;
  static constexpr bool kMirrored = low != -high && high < 20;

  template <typename V>
  static V nearest(V y) {
    return round(clamp(y, low, high));
  }
  static uint8_t code(float y) { return static_cast<uint8_t>(static_cast<int>(nearest(y)) - low); }
};

// The levels are kIq4Values. A level is stored as its index.
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

// The levels are kE2M1Values. A level is stored as its index.
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
