// The registers of NEON, for loops that are written for any instruction set (int8_multiply.h, fused_multiply.h).
#pragma once

#include <arm_neon.h>

#include <cstdint>

#define GESSO_NEON_INLINE __attribute__((always_inline)) inline static

namespace gesso::cpu {
namespace {

struct Neon {
  static constexpr int kLanes = 4;
  using Ints = int32x4_t;
  using Floats = float32x4_t;

  GESSO_NEON_INLINE int32x4_t set1(int32_t value) { return vdupq_n_s32(value); }
  GESSO_NEON_INLINE float32x4_t set1(float value) { return vdupq_n_f32(value); }
  GESSO_NEON_INLINE float32x4_t load(const float* values) { return vld1q_f32(values); }
  GESSO_NEON_INLINE float32x4_t to_floats(int32x4_t values) { return vcvtq_f32_s32(values); }
  GESSO_NEON_INLINE float32x4_t add(float32x4_t a, float32x4_t b) { return vaddq_f32(a, b); }
  GESSO_NEON_INLINE float32x4_t mul(float32x4_t a, float32x4_t b) { return vmulq_f32(a, b); }
  // sum + a * b and sum - a * b, rounded once.
  GESSO_NEON_INLINE float32x4_t fmadd(float32x4_t a, float32x4_t b, float32x4_t sum) { return vfmaq_f32(sum, a, b); }
  GESSO_NEON_INLINE float32x4_t fnmadd(float32x4_t a, float32x4_t b, float32x4_t sum) { return vfmsq_f32(sum, a, b); }
  // Stores the first `count` lanes. If `count` is larger than kLanes, it stores all; if it is below 1, none.
  GESSO_NEON_INLINE void store(float* out, float32x4_t values, int64_t count) {
    if (count >= kLanes) return vst1q_f32(out, values);
    float all[kLanes];
    vst1q_f32(all, values);
    for (int64_t i = 0; i < count; ++i) out[i] = all[i];
  }
  // This is a plain store, because compilers offer no function for a streamed one.
  GESSO_NEON_INLINE void stream(float* out, float32x4_t values) { vst1q_f32(out, values); }
  static void end_streams() {}
};

}  // namespace
}  // namespace gesso::cpu
