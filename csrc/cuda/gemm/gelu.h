// The activation function of the gated products.
#pragma once

#include <math.h>

#include "cuda/device/kernel.h"

namespace gesso::cuda {

__device__ inline float gelu_tanh(float x) {
  constexpr float kSqrtTwoOverPi = 0.7978845608028654f;
  return 0.5f * x * (1.0f + tanhf(kSqrtTwoOverPi * (x + 0.044715f * x * x * x)));
}

}  // namespace gesso::cuda
