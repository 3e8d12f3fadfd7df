// The soft cap of logits.
#pragma once

#include <cmath>

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// An infinite logit comes from a broken weight and would become the cap, so it is NaN instead.
__device__ inline float soft_cap(float logit, float cap) { return cap * tanhf(logit / cap) - (logit - logit); }

}  // namespace gesso::cuda
