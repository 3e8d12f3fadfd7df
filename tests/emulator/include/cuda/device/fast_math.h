// The emulated csrc/cuda/device/fast_math.h.
#pragma once

#include <cfloat>
#include <cmath>

#include "cuda/device/kernel.h"

namespace gesso::cuda {

inline float fast_exp2(float x) {
  const float power = std::exp2(x);
  return power < FLT_MIN ? 0.0f : power;
}

inline float saturated_ratio(float a, float b) {
  const float ratio = a * (1 / b);
  return ratio > 0 ? (ratio < 1 ? ratio : 1) : 0;  // a NaN is not greater
}

inline float rounded_product(float a, float b) { return a * b; }

}  // namespace gesso::cuda
