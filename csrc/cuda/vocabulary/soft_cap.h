// The soft cap of logits.
#pragma once

#include <cmath>

#include "cuda/device/kernel.h"

namespace gesso::cuda {

__device__ inline float soft_cap(float logit, float cap) { return cap * tanhf(logit / cap); }

}  // namespace gesso::cuda
