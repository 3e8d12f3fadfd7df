// The searches that all encoders share: for the best scale of a block, and for the best scale and minimum. Both try
// several starts. They improve each start in rounds: round all elements to levels, then fit the scale (and minimum) to
// these levels by least squares. They keep the trial with the smallest error after decoding. That error is 1 or 2 %
// above the smallest possible one, which brute force finds.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "quant/encode/trials.h"
#include "quant/half.h"

namespace gesso::quant {

// The elements of a block and their weights, scaled. The elements are divided by `unit`, a power of two, so that the
// largest magnitude is about 1 (from 1 to 2, unless the input is near the limits of float32). The weights are divided
// by the largest of them. So sums of squares neither overflow nor vanish, whatever the input is. Weights of 0 become
// 2^-30, so that a part of a block that does not matter needs no special treatment.
template <int N>
struct Elements {
  float x[N];
  float w[N];
  float unit;  // original[i] = x[i] * unit

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

// Rounds a scale as storing it in half precision does. The scale is in units of Elements::unit.
struct HalfPrecision {
  float unit, per_unit;

  explicit HalfPrecision(float unit) : unit(unit), per_unit(1.0f / unit) {}

  // Returns the nearest finite half. Adding and subtracting 2^13 times the value leaves the upper 11 bits of the value
  // (Veltkamp's splitting). Below 2^-14, halves are multiples of 2^-24, and so are float32 numbers next to 0.75.
  float operator()(float scale) const {
    const float value = clamp(scale * unit, -65504.0f, 65504.0f);
    const float split = value * 0x1.0008p13f;
    const float normal = split - (split - value);
    const float denormal = (value + 0.75f) - 0.75f;
    return (std::fabs(value) < 0x1p-14f ? denormal : normal) * per_unit;
  }
  // Writes the bytes that store the scale.
  void write(float scale, uint8_t* bytes) const { store_u16(float_to_half(scale * unit), bytes); }
};
// Leaves a scale as it is, for parts of super-blocks. Their scales are rounded to integers later.
struct FullPrecision {
  float operator()(float scale) const { return scale; }
};

// An error counts as smaller only if it is smaller by more than 0.01 %, so that rounding does not decide. Where all
// elements of a part are equal, many scales have about the same error. Then each part of a super-block takes the first
// of them, so that the scales of the parts go together.
constexpr float kSmaller = 0.9999f;

inline int smallest(const Trials& errors) {
  int best = 0;
  for (int k = 1; k < kTrials; ++k) best = errors[k] < errors[best] * kSmaller ? k : best;
  return best;
}

// Returns the element with the largest weight * x^2.
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

// Searches for the scale with which x[i] = scale * level has the smallest error, for i < N. `store` rounds a scale to
// what the block can store.
template <typename V, typename Levels, int N, typename Store>
ScaleFit best_scale(const float* x, const float* w, Store store) {
  constexpr int kStarts = 32, kRounds = 2;
  const float largest = heaviest_element<N>(x, [](int) { return 1.0f; });
  const float heaviest = heaviest_element<N>(x, [w](int i) { return w[i]; });
  ScaleFit best;
  for (int start = 0; start < (heaviest == largest ? kStarts : 2 * kStarts); start += kTrials) {
    Trials scales;
    for (int k = 0; k < kTrials; ++k) {
      // The starts differ in where the largest element lies between kFirst and kLast: first as a negative level and,
      // with kMirrored, in the second half of the starts as a positive one. If the heaviest element is another one,
      // there are as many starts again with it in place of the largest.
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

// Tries 16 pairs of scale and minimum. If one of them is better than `best`, the function copies it there and returns
// its index. Else it returns -1.
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

// Fits each trial's scale and minimum to its levels by least squares. Where all levels of a trial are equal, only its
// minimum changes.
inline void improve_affine(const AffineSums& sums, float weight, float highest_min, Trials& scales, Trials& mins) {
  for (int k = 0; k < kTrials; ++k) {
    const float square = sums.square[k], level = sums.level[k];
    const float determinant = weight * square - level * level;
    const bool solvable = determinant > 1e-5f * weight * square;
    const float scale = (weight * sums.slope[k] - level * sums.residual[k]) / determinant;
    const float min = (square * sums.residual[k] - level * sums.slope[k]) / determinant;
    const float new_min = mins[k] + (solvable ? min : sums.residual[k] / weight);
    // If the minimum would exceed highest_min, it is set to that, and only the scale is fitted.
    const float bounded = square > 0 ? (sums.slope[k] - (highest_min - mins[k]) * level) / square : 0.0f;
    scales[k] += new_min > highest_min ? bounded : solvable ? scale : 0.0f;
    mins[k] = std::min(new_min, highest_min);
  }
}

// Searches for the scale and minimum with which x[i] = scale * level + min has the smallest error, with levels from 0
// to `high`. The minimum is at most highest_min, which is 0 or infinite.
template <typename V, int high, int N, int kRounds, typename Store>
AffineFit best_affine(const float* x, const float* w, float highest_min, Store store) {
  constexpr int kSide = 8;  // 8 places for the lowest level times 8 for the highest: 64 starts
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

// Writes the codes of the elements' levels under the given scale and minimum.
template <typename Levels, int N>
void write_levels(const float* x, float scale, float min, uint8_t* codes) {
  const float per_scale = inverse(scale);
  for (int i = 0; i < N; ++i) codes[i] = Levels::code((x[i] - min) * per_scale);
}

}  // namespace gesso::quant
