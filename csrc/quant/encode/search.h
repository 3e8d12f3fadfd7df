// The searches that all encoders share: the best scale of a block, and the best scale and minimum. Both start from a
// grid, improve each start by turns of rounding to levels and least squares, and keep what has the smallest error when
// decoded. Against the true optimum, found by brute force, they lose 1 or 2 %.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "quant/encode/trials.h"
#include "quant/half.h"

namespace gesso::quant {

// A block in units of a power of two with which its largest element is near 1, and its weights in such with which the
// largest is 1. Sums of squares neither overflow nor vanish then, whatever the input. Weights of 0 become tiny ones, so
// that a part of a block that does not matter is nothing special.
template <int N>
struct Elements {
  float x[N];
  float w[N];
  float unit;  // the caller's x = x * unit

  Elements(const float* original, const float* importance) {
    float largest = 0, heaviest = 0;
    for (int i = 0; i < N; ++i) largest = std::max(largest, std::fabs(original[i]));
    const int exponent = static_cast<int>(std::bit_cast<uint32_t>(largest) >> 23) - 127;  // -127 for denormals and 0
    const int shift = std::clamp(-exponent, -126, 126);
    const float factor = power_of_two(shift);
    unit = power_of_two(-shift);
    for (int i = 0; i < N; ++i) x[i] = original[i] * factor;
    for (int i = 0; i < N; ++i) w[i] = importance ? importance[i] : 1.0f;
    for (int i = 0; i < N; ++i) heaviest = std::max(heaviest, w[i]);
    for (int i = 0; i < N; ++i) w[i] = heaviest > 0 ? std::max(w[i] / heaviest, 0x1p-30f) : 1.0f;
  }

 private:
  static float power_of_two(int n) { return std::bit_cast<float>(static_cast<uint32_t>(127 + n) << 23); }
};

// How a scale changes when it is stored, in a block's unit.
struct HalfPrecision {
  float unit, per_unit;

  explicit HalfPrecision(float unit) : unit(unit), per_unit(1.0f / unit) {}

  // The nearest finite half. A sum with 2^13 times the value leaves 11 bits of it (Veltkamp's splitting); what is below
  // 2^-14 is a multiple of 2^-24.
  float operator()(float scale) const {
    const float value = clamp(scale * unit, -65504.0f, 65504.0f);
    const float split = value * 0x1.0008p13f;
    const float normal = split - (split - value);
    const float denormal = (value + 0.75f) - 0.75f;
    return (std::fabs(value) < 0x1p-14f ? denormal : normal) * per_unit;
  }
  // A stored scale's bytes.
  void write(float scale, uint8_t* bytes) const { store_u16(float_to_half(scale * unit), bytes); }
};
struct FullPrecision {
  float operator()(float scale) const { return scale; }
};

// An error counts as smaller only if it is so by more than rounding. Where all elements are alike, many levels do;
// parts of a super-block that take the first of them then have scales that go together.
constexpr float kSmaller = 0.9999f;

inline int smallest(const Trials& errors) {
  int best = 0;
  for (int k = 1; k < kTrials; ++k) best = errors[k] < errors[best] * kSmaller ? k : best;
  return best;
}

// The element with the largest weight * x^2.
template <int N, typename Weight>
float heaviest_element(const float* x, Weight weight) {
  int heaviest = 0;
  for (int i = 1; i < N; ++i) {
    if (weight(i) * x[i] * x[i] > weight(heaviest) * x[heaviest] * x[heaviest]) heaviest = i;
  }
  return x[heaviest];
}

struct ScaleFit {
  float scale = 0;
  float error = INFINITY;
  float slope = 0, square = 0;  // as in ScaleSums
};

// x[i] = scale * level for i < N; `store` rounds scales to what can be stored.
template <typename V, typename Levels, int N, typename Store>
ScaleFit best_scale(const float* x, const float* w, Store store) {
  constexpr int kStarts = 32, kRounds = 2;
  const float largest = heaviest_element<N>(x, [](int) { return 1.0f; });
  const float heaviest = heaviest_element<N>(x, [w](int i) { return w[i]; });
  ScaleFit best;
  for (int start = 0; start < (heaviest == largest ? kStarts : 2 * kStarts); start += kTrials) {
    Trials scales;
    for (int k = 0; k < kTrials; ++k) {
      // The level of the largest element runs over a range, or over two, on both sides of 0.
      const int step = start % kStarts + k, num_steps = Levels::kMirrored ? kStarts / 2 : kStarts;
      const float level = Levels::kLast - (Levels::kLast - Levels::kFirst) * (step % num_steps) / (num_steps - 1);
      scales[k] = (start < kStarts ? largest : heaviest) / (step < num_steps ? -level : level);
    }
    for (int round = 0; round < kRounds; ++round) {
      ScaleSums sums;
      for (float& scale : scales) scale = store(scale);
      try_scales<V, Levels, N>(x, w, scales, sums);
      const int best_k = smallest(sums.error);
      if (sums.error[best_k] < best.error * kSmaller) {
        best = {scales[best_k], sums.error[best_k], sums.slope[best_k], sums.square[best_k]};
      }
      for (int k = 0; k < kTrials; ++k) scales[k] += sums.square[k] > 0 ? sums.slope[k] / sums.square[k] : 0.0f;
    }
  }
  return best;
}

struct AffineFit {
  float scale = 0, min = 0;
  float error = INFINITY;
  float slope = 0, residual = 0, square = 0, level = 0;  // as in AffineSums
  float weight = 0;                                      // sum of w
};

// Makes the best trial `best` if it is better, and returns its index then, else -1.
template <typename V, int high, int N>
int search_affine(const float* x, const float* w, const Trials& scales, const Trials& mins, AffineSums& sums,
                  AffineFit& best) {
  try_affine<V, high, N>(x, w, scales, mins, sums);
  const int k = smallest(sums.error);
  if (!(sums.error[k] < best.error)) return -1;
  best = {.scale = scales[k],
          .min = mins[k],
          .error = sums.error[k],
          .slope = sums.slope[k],
          .residual = sums.residual[k],
          .square = sums.square[k],
          .level = sums.level[k],
          .weight = best.weight};
  return k;
}

// Least squares for the levels of each trial. Where these are all the same, only the minimum moves.
inline void improve_affine(const AffineSums& sums, float weight, float highest_min, Trials& scales, Trials& mins) {
  for (int k = 0; k < kTrials; ++k) {
    const float square = sums.square[k], level = sums.level[k];
    const float determinant = weight * square - level * level;
    const bool solvable = determinant > 1e-5f * weight * square;
    const float scale = (weight * sums.slope[k] - level * sums.residual[k]) / determinant;
    const float min = (square * sums.residual[k] - level * sums.slope[k]) / determinant;
    const float new_min = mins[k] + (solvable ? min : sums.residual[k] / weight);
    // With the minimum held at its bound, the scale alone is left to fit.
    const float bounded = square > 0 ? (sums.slope[k] - (highest_min - mins[k]) * level) / square : 0.0f;
    scales[k] += new_min > highest_min ? bounded : solvable ? scale : 0.0f;
    mins[k] = std::min(new_min, highest_min);
  }
}

// x[i] = scale * level + min with levels 0 to `high` and min <= highest_min, which is 0 or infinite.
template <typename V, int high, int N, int kRounds, typename Store>
AffineFit best_affine(const float* x, const float* w, float highest_min, Store store) {
  constexpr int kSide = 8;  // starts are a grid of where the lowest and the highest level are
  AffineFit best;
  float low = x[0], top = x[0];
  for (int i = 0; i < N; ++i) {
    low = std::min(low, x[i]);
    top = std::max(top, x[i]);
    best.weight += w[i];
  }
  low = std::min(low, highest_min);
  const float level = (top - low) / high;
  const float inset = -high / 15.0f * level, width = (1 + high / 5.0f) * level;
  for (int start = 0; start < kSide * kSide; start += kTrials) {
    Trials scales, mins;
    for (int k = 0; k < kTrials; ++k) {
      mins[k] = std::min(low + inset + width * ((start + k) % kSide) / (kSide - 1), highest_min);
      scales[k] = (top - inset - width * ((start + k) / kSide) / (kSide - 1) - mins[k]) / high;
    }
    for (int round = 0; round < kRounds; ++round) {
      AffineSums sums;
      for (float& scale : scales) scale = store(scale);
      for (float& min : mins) min = store(min);
      search_affine<V, high, N>(x, w, scales, mins, sums, best);
      improve_affine(sums, best.weight, highest_min, scales, mins);
    }
  }
  return best;
}

// The levels as they are stored, with the scale chosen.
template <typename Levels, int N>
void write_levels(const float* x, float scale, float min, uint8_t* codes) {
  const float per_scale = inverse(scale);
  for (int i = 0; i < N; ++i) codes[i] = Levels::code((x[i] - min) * per_scale);
}

}  // namespace gesso::quant
