// What encoders spend their time on: the error of a few elements under 16 scales at a time, element by element, each
// scale in its own lane. A lane's sums run over the elements in their order, so that the width of the machine's
// vectors makes no difference to them.
#pragma once

#include <cstring>

#include "quant/encode/levels.h"

namespace gesso::quant {

typedef float Float4 __attribute__((vector_size(16)));
typedef float Float8 __attribute__((vector_size(32)));
typedef float Float16 __attribute__((vector_size(64)));

constexpr int kTrials = 16;
using Trials = float[kTrials];  // one number for each trial

// 1 / scale, and 0 for scales so small that this would overflow: all levels are the one next to 0 then.
template <typename V>
V inverse(V scale) {
  const V magnitude = scale < 0.0f ? -scale : scale;
  return magnitude > 0x1p-120f ? 1.0f / scale : V{};
}

// Sums over the elements of a block x with weights w, each x[i] being rounded to scale * level[i].
struct ScaleSums {
  Trials error;   // w (x - scale level)^2
  Trials slope;   // w (x - scale level) level: error falls by 2 slope for each unit of scale
  Trials square;  // w level^2
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

// The same for scale * level[i] + min with levels 0 to `high`.
struct AffineSums {
  Trials error;     // w (x - scale level - min)^2
  Trials slope;     // w (x - scale level - min) level
  Trials residual;  // w (x - scale level - min)
  Trials square;    // w level^2
  Trials level;     // w level
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
