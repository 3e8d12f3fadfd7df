// Functions that the device computes in one instruction.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// 2^x, wrong by at most two units of the last place. The result is exactly 1 at 0. It is 0 where 2^x is below 2^-126,
// and for -infinity.
__device__ inline float fast_exp2(float x) {
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
  return power;
}

// a / b, wrong by at most some units of the last place, and at least 0 and at most 1. It is 0 for a NaN.
__device__ inline float saturated_ratio(float a, float b) {
  float ratio;
  asm("{ .reg .f32 inverse; rcp.approx.ftz.f32 inverse, %2; mul.sat.f32 %0, %1, inverse; }"
      : "=f"(ratio)
      : "f"(a), "f"(b));
  return ratio;
}

// a * b, rounded to float32. With a plain product the compiler may round only once, after an addition behind it.
__device__ inline float rounded_product(float a, float b) { return __fmul_rn(a, b); }

}  // namespace gesso::cuda
