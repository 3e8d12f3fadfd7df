// The inner loops of the encoders. They compute the errors of a few elements under 16 trial scales. Each scale has a
// lane of a vector, and the loop goes over the elements. So a lane's sums add the elements in their order, and the
// results do not depend on the width of the machine's vectors.
#pragma once

#include <cstring>

#include "quant/encode/levels.h"

namespace gesso::quant {

typedef float Float4 __attribute__((vector_size(16)));
typedef float Float8 __attribute__((vector_size(32)));
typedef float Float16 __attribute__((vector_size(64)));

constexpr int kTrials = 16;
using Trials = float[kTrials];  // one number for each trial

// Returns 1 / scale, or 0 for scales so small that this would overflow. With 0, all elements get the level next to 0.
template <typename V>
V inverse(V scale) {
  const V magnitude = scale < 0.0f ? -scale : scale;
  return magnitude > 0x1p-120f ? 1.0f / scale : V{};
}

// Sums over the elements x of a block with the weights w. Each x[i] is rounded to scale * level[i].
struct ScaleSums {
  Trials error;   // sum of w (x - scale level)^2
  Trials slope;   // sum of w (x - scale level) level; the derivative of `error` by `scale` is -2 slope
  Trials square;  // sum of w level^2
};

template <typename V, typename Levels, int N>
void try_scales(const float* x, const float* w, const Trials& scales, ScaleSums& sums) {
  constexpr int kLanes = sizeof(V) / sizeof(float);
  for (int first = 0; first < kTrials; first += kLanes) {
    V scale, error{}, slope{}, square{};
    std::memcpy(&scale, scales + first, sizeof(V));
    const V per_scale = inverse(scale);
    for (int i = 0; i < N; ++i) {
      const V level = Levels::nearest(x[i] * per_scale);
      const V residual = x[i] - scale * level;
      const V weighted = w[i] * residual;
      error += weighted * residual;
      slope += weighted * level;
      square += w[i] * level * level;
    }
    std::memcpy(sums.error + first, &error, sizeof(V));
    std::memcpy(sums.slope + first, &slope, sizeof(V));
    std::memcpy(sums.square + first, &square, sizeof(V));
  }
}

// The same sums where x[i] is rounded to scale * level[i] + min, with levels from 0 to `high`.
struct AffineSums {
  Trials error;     // sum of w (x - scale level - min)^2
  Trials slope;     // sum of w (x - scale level - min) level
  Trials residual;  // sum of w (x - scale level - min)
  Trials square;    // sum of w level^2
  Trials level;     // sum of w level
};

template <typename V, int high, int N>
void try_affine(const float* x, const float* w, const Trials& scales, const Trials& mins, AffineSums& sums) {
  constexpr int kLanes = sizeof(V) / sizeof(float);
  for (int first = 0; first < kTrials; first += kLanes) {
    V scale, min, error{}, slope{}, residual{}, square{}, level{};
    std::memcpy(&scale, scales + first, sizeof(V));
    std::memcpy(&min, mins + first, sizeof(V));
    const V per_scale = inverse(scale);
    for (int i = 0; i < N; ++i) {
      const V above = x[i] - min;
      const V q = IntegerLevels<0, high>::nearest(above * per_scale);
      const V r = above - scale * q;
      const V weighted = w[i] * r;
      const V weighted_q = w[i] * q;
      error += weighted * r;
      slope += weighted * q;
      residual += weighted;
      square += weighted_q * q;
      level += weighted_q;
    }
    std::memcpy(sums.error + first, &error, sizeof(V));
    std::memcpy(sums.slope + first, &slope, sizeof(V));
    std::memcpy(sums.residual + first, &residual, sizeof(V));
    std::memcpy(sums.square + first, &square, sizeof(V));
    std::memcpy(sums.level + first, &level, sizeof(V));
  }
}

}  // namespace gesso::quant
