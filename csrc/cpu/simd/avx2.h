// The registers of AVX2 with FMA, for loops that are written for any instruction set (int8_multiply.h,
// fused_multiply.h).
#pragma once

#include <immintrin.h>

#include <cstdint>

#define GESSO_AVX2 __attribute__((target("avx2,fma")))
#define GESSO_AVX2_INLINE __attribute__((target("avx2,fma"), always_inline)) inline static

namespace gesso::cpu {
namespace {

struct Avx2 {
  static constexpr int kLanes = 8;
  using Ints = __m256i;
  using Floats = __m256;

  GESSO_AVX2_INLINE __m256i set1(int32_t value) { return _mm256_set1_epi32(value); }
  GESSO_AVX2_INLINE __m256 set1(float value) { return _mm256_set1_ps(value); }
  GESSO_AVX2_INLINE __m256 load(const float* values) { return _mm256_load_ps(values); }
  GESSO_AVX2_INLINE __m256 to_floats(__m256i values) { return _mm256_cvtepi32_ps(values); }
  GESSO_AVX2_INLINE __m256 add(__m256 a, __m256 b) { return _mm256_add_ps(a, b); }
  GESSO_AVX2_INLINE __m256 mul(__m256 a, __m256 b) { return _mm256_mul_ps(a, b); }
  // sum + a * b and sum - a * b, rounded once.
  GESSO_AVX2_INLINE __m256 fmadd(__m256 a, __m256 b, __m256 sum) { return _mm256_fmadd_ps(a, b, sum); }
  GESSO_AVX2_INLINE __m256 fnmadd(__m256 a, __m256 b, __m256 sum) { return _mm256_fnmadd_ps(a, b, sum); }
  // Stores the first `count` lanes. If `count` is larger than kLanes, it stores all; if it is below 1, none.
  GESSO_AVX2_INLINE void store(float* out, __m256 values, int64_t count) {
    if (count >= kLanes) return _mm256_storeu_ps(out, values);
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(out, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes), values);
  }
  GESSO_AVX2_INLINE void stream(float* out, __m256 values) { _mm256_stream_ps(out, values); }
  // Makes the streamed values visible to other threads before anything that this thread stores later.
  static void end_streams() { _mm_sfence(); }
};

inline bool runs_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

}  // namespace
}  // namespace gesso::cpu
