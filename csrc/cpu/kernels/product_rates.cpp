#include "cpu/kernels/product_rates.h"

#include <initializer_list>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>

#include "core/platform/processors.h"
#endif

namespace gesso::cpu {
namespace {

// A product takes 4 to 5 cycles, and two can start per cycle. So 10 independent sums keep the processor busy. More than
// 12 would not fit into 16 registers.
constexpr int kSums = 12;

#if defined(__x86_64__)

// Makes the compiler believe that a register has changed. Otherwise it would move products of operands that never
// change out of the loop.
#define GESSO_FORGET(value) asm volatile("" : "+v"(value))
#define GESSO_FORGET_YMM(value) asm volatile("" : "+x"(value))

// Defines a loop. `step` adds one product of the operands a and b to `sum`. `operations` is how many operations a step
// counts as: lanes * 2, times the products that a lane adds up in one step.
#define GESSO_PRODUCT_LOOP(name, features, Vector, forget, first_a, first_b, zero, step, operations) \
  __attribute__((target(features))) double name(int64_t rounds) {                                    \
    Vector sums[kSums];                                                                              \
    for (Vector & sum : sums) sum = zero;                                                            \
    auto a = first_a;                                                                                \
    auto b = first_b;                                                                                \
    for (int64_t round = 0; round < rounds; ++round) {                                               \
      _Pragma("GCC unroll 12") for (int i = 0; i < kSums; ++i) {                                     \
        Vector& sum = sums[i];                                                                       \
        forget(a);                                                                                   \
        sum = step;                                                                                  \
      }                                                                                              \
    }                                                                                                \
    for (Vector & sum : sums) forget(sum);                                                           \
    return static_cast<double>(rounds) * kSums * (operations);                                       \
  }

GESSO_PRODUCT_LOOP(float32_avx2, "avx2,fma", __m256, GESSO_FORGET_YMM, _mm256_set1_ps(1e-3f), _mm256_set1_ps(1e-3f),
                   _mm256_setzero_ps(), _mm256_fmadd_ps(a, b, sum), 8 * 2)
GESSO_PRODUCT_LOOP(float32_avx512, "avx512f", __m512, GESSO_FORGET, _mm512_set1_ps(1e-3f), _mm512_set1_ps(1e-3f),
                   _mm512_setzero_ps(), _mm512_fmadd_ps(a, b, sum), 16 * 2)
// A step has three instructions: sums of two 8-bit products in 16 bits, sums of two of these in 32 bits, and the
// addition.
GESSO_PRODUCT_LOOP(int8_avx2, "avx2", __m256i, GESSO_FORGET_YMM, _mm256_set1_epi8(1), _mm256_set1_epi8(1),
                   _mm256_setzero_si256(),
                   _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1))),
                   8 * 4 * 2)
GESSO_PRODUCT_LOOP(int8_avx512, "avx512f,avx512bw", __m512i, GESSO_FORGET, _mm512_set1_epi8(1), _mm512_set1_epi8(1),
                   _mm512_setzero_si512(),
                   _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1))),
                   16 * 4 * 2)
GESSO_PRODUCT_LOOP(int8_avx512_vnni, "avx512f,avx512vnni", __m512i, GESSO_FORGET, _mm512_set1_epi8(1),
                   _mm512_set1_epi8(1), _mm512_setzero_si512(), _mm512_dpbusd_epi32(sum, a, b), 16 * 4 * 2)
GESSO_PRODUCT_LOOP(bf16_avx512, "avx512f,avx512bf16", __m512, GESSO_FORGET, (__m512bh)_mm512_set1_epi32(0x3f803f80),
                   (__m512bh)_mm512_set1_epi32(0x3f803f80), _mm512_setzero_ps(), _mm512_dpbf16_ps(sum, a, b),
                   16 * 2 * 2)

struct Candidate {
  ProductLoop loop;
  bool is_supported;
};

std::vector<Candidate> candidates() {
  __builtin_cpu_init();
  return {{{"float32", "AVX2", float32_avx2}, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
          {{"float32", "AVX-512", float32_avx512}, __builtin_cpu_supports("avx512f") != 0},
          {{"int8", "AVX2", int8_avx2}, __builtin_cpu_supports("avx2") != 0},
          {{"int8", "AVX-512", int8_avx512}, __builtin_cpu_supports("avx512bw") != 0},
          {{"int8", "AVX-512 VNNI", int8_avx512_vnni}, __builtin_cpu_supports("avx512vnni") != 0},
          {{"bf16", "AVX-512 BF16", bf16_avx512}, __builtin_cpu_supports("avx512bf16") != 0}};
}

#elif defined(__aarch64__)

#define GESSO_FORGET(value) asm volatile("" : "+w"(value))

double float32_neon(int64_t rounds) {
  float32x4_t sums[kSums];
  for (float32x4_t& sum : sums) sum = vdupq_n_f32(0);
  float32x4_t a = vdupq_n_f32(1e-3f);
  const float32x4_t b = a;
  for (int64_t round = 0; round < rounds; ++round) {
    for (float32x4_t& sum : sums) {
      GESSO_FORGET(a);
      sum = vfmaq_f32(sum, a, b);
    }
  }
  for (float32x4_t& sum : sums) GESSO_FORGET(sum);
  return static_cast<double>(rounds) * kSums * 4 * 2;
}

__attribute__((target("arch=armv8.2-a+dotprod"))) double int8_neon(int64_t rounds) {
  int32x4_t sums[kSums];
  for (int32x4_t& sum : sums) sum = vdupq_n_s32(0);
  int8x16_t a = vdupq_n_s8(1);
  const int8x16_t b = a;
  for (int64_t round = 0; round < rounds; ++round) {
    for (int32x4_t& sum : sums) {
      GESSO_FORGET(a);
      sum = vdotq_s32(sum, a, b);
    }
  }
  for (int32x4_t& sum : sums) GESSO_FORGET(sum);
  return static_cast<double>(rounds) * kSums * 4 * 4 * 2;
}

__attribute__((target("arch=armv8.2-a+i8mm"))) double int8_neon_i8mm(int64_t rounds) {
  int32x4_t sums[kSums];
  for (int32x4_t& sum : sums) sum = vdupq_n_s32(0);
  uint8x16_t a = vdupq_n_u8(1);
  const int8x16_t b = vdupq_n_s8(1);
  for (int64_t round = 0; round < rounds; ++round) {
    for (int32x4_t& sum : sums) {
      GESSO_FORGET(a);
      sum = vusmmlaq_s32(sum, a, b);
    }
  }
  for (int32x4_t& sum : sums) GESSO_FORGET(sum);
  return static_cast<double>(rounds) * kSums * 4 * 8 * 2;
}

struct Candidate {
  ProductLoop loop;
  bool is_supported;
};

std::vector<Candidate> candidates() {
  return {{{"float32", "NEON", float32_neon}, true},
          {{"int8", "NEON dot products", int8_neon}, platform::has_dot_products()},
          {{"int8", "NEON matrix products", int8_neon_i8mm}, platform::has_matrix_products()}};
}

#endif

}  // namespace

std::vector<ProductLoop> product_loops() {
  std::vector<ProductLoop> loops;
#if defined(__x86_64__) || defined(__aarch64__)
  for (const Candidate& candidate : candidates()) {
    if (candidate.is_supported) loops.push_back(candidate.loop);
  }
#endif
  return loops;
}

}  // namespace gesso::cpu
