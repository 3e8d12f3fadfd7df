// The registers of AVX-512, for loops that are written for any instruction set (int8_multiply.h, fused_multiply.h).
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC warns about its own header of intrinsics (bug 105593)
#endif
#define GESSO_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#define GESSO_AVX512_INLINE \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"), always_inline)) inline static

namespace gesso::cpu {
namespace {

struct Avx512 {
  static constexpr int kLanes = 16;
  using Ints = __m512i;
  using Floats = __m512;

  GESSO_AVX512_INLINE __m512i set1(int32_t value) { return _mm512_set1_epi32(value); }
  GESSO_AVX512_INLINE __m512 set1(float value) { return _mm512_set1_ps(value); }
  GESSO_AVX512_INLINE __m512 load(const float* values) { return _mm512_load_ps(values); }
  GESSO_AVX512_INLINE __m512 to_floats(__m512i values) { return _mm512_cvtepi32_ps(values); }
  GESSO_AVX512_INLINE __m512 add(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }
  GESSO_AVX512_INLINE __m512 mul(__m512 a, __m512 b) { return _mm512_mul_ps(a, b); }
  // sum + a * b and sum - a * b, rounded once.
  GESSO_AVX512_INLINE __m512 fmadd(__m512 a, __m512 b, __m512 sum) { return _mm512_fmadd_ps(a, b, sum); }
  GESSO_AVX512_INLINE __m512 fnmadd(__m512 a, __m512 b, __m512 sum) { return _mm512_fnmadd_ps(a, b, sum); }
  // Stores the first `count` lanes. If `count` is larger than kLanes, it stores all; if it is below 1, none.
  GESSO_AVX512_INLINE void store(float* out, __m512 values, int64_t count) {
    const int present = count >= kLanes ? 0xffff : (1 << std::max<int64_t>(count, 0)) - 1;
    _mm512_mask_storeu_ps(out, static_cast<__mmask16>(present), values);
  }
  GESSO_AVX512_INLINE void stream(float* out, __m512 values) { _mm512_stream_ps(out, values); }
  // Makes the streamed values visible to other threads before anything that this thread stores later.
  static void end_streams() { _mm_sfence(); }
};

inline bool runs_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}

}  // namespace
}  // namespace gesso::cpu
