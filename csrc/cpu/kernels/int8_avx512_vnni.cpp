// The kernels for AVX-512 with VNNI (Ice Lake, Zen 4 and later). One vpdpbusd multiplies 4 columns of 16 outputs and
// adds to 16 integer sums. With 32 outputs and 5 rows, 10 registers hold integer sums and 20 hold float sums. For 64
// columns (16 vpdpbusd) a register of sums needs two conversions, a multiplication and two fused multiply-adds, where
// scales belong to 32 columns. The processor starts one of these instructions per cycle, and that is the limit.
#include "cpu/kernels/int8_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <bit>
#include <cstring>

#include "cpu/kernels/int8_dispatch.h"
#include "cpu/simd/avx512.h"

#define GESSO_SIMD __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")))
#define GESSO_SIMD_INLINE \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma"), always_inline)) inline static

namespace gesso::cpu {
namespace {

struct Simd : Avx512 {
  static constexpr int kVectors = 2, kMaxRows = 5, kQuads = 1;
  static constexpr bool kTakesDistances = false;
  template <bool kIsWide>
  using Levels = __m512i;

  template <bool kIsWide>
  GESSO_SIMD_INLINE __m512i load_levels(const uint8_t* levels) {
    return _mm512_load_si512(levels);
  }
  // The asm keeps the compiler from making the broadcast a part of vpdpbusd. The two vpdpbusd that use it would then
  // load it twice.
  GESSO_SIMD_INLINE __m512i broadcast(const int8_t* values) {
    int32_t columns;
    std::memcpy(&columns, values, sizeof(columns));
    __m512i all = _mm512_set1_epi32(columns);
    asm("" : "+v"(all));
    return all;
  }
  template <bool kIsWide>
  GESSO_SIMD_INLINE __m512i dot(__m512i sum, const __m512i (&levels)[1], const __m512i (&x)[1]) {
    return _mm512_dpbusd_epi32(sum, levels[0], x[0]);
  }
};

}  // namespace
}  // namespace gesso::cpu

#include "cpu/kernels/int8_multiply.h"

namespace gesso::cpu {
namespace {

GESSO_SIMD_INLINE int32_t sum_bytes(__m128i bytes) {
  const __m128i ones = _mm_set1_epi8(1);
  const __m128i sums = _mm_dpbusd_epi32(_mm_setzero_si128(), ones, bytes);
  const __m128i pairs = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32(pairs, 0xB1)));
}

// Rounds a block of 16 * kParts columns and returns its scale. sums[i] is the sum of 16 rounded columns.
template <int kParts>
GESSO_SIMD_INLINE float round_block(const float* x, int8_t* values, int32_t (&sums)[kParts]) {
  // Magnitudes are compared as integers, which gives the same order. A NaN is larger than all numbers then.
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512i largest = _mm512_setzero_si512();
  for (int i = 0; i < kParts; ++i) {
    largest = _mm512_max_epi32(largest, _mm512_and_si512(_mm512_castps_si512(_mm512_loadu_ps(x + 16 * i)), magnitude));
  }
  const float scale = std::bit_cast<float>(_mm512_reduce_max_epi32(largest)) / 127;
  const __m512 divisor = _mm512_set1_ps(scale > 0 ? scale : 1.0f);
  for (int i = 0; i < kParts; ++i) {
    const __m512i words = _mm512_cvtps_epi32(_mm512_div_ps(_mm512_loadu_ps(x + 16 * i), divisor));
    const __m128i rounded = _mm512_cvtsepi32_epi8(_mm512_max_epi32(words, _mm512_set1_epi32(-127)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(values + 16 * i), rounded);
    sums[i] = sum_bytes(rounded);
  }
  return scale;
}

template <int kParts>
GESSO_SIMD_INLINE float round_block(const float* x, int group, int8_t* values, int32_t* sums) {
  int32_t part_sums[kParts];
  const float scale = round_block<kParts>(x, values, part_sums);
  for (int i = 0; i < kParts; i += group / 16) {
    *sums++ = group == 16 ? part_sums[i] : part_sums[i] + part_sums[i + 1];
  }
  return scale;
}

GESSO_SIMD void round_row(const float* x, int64_t columns, int group, int8_t* values, float* scales, int32_t* sums) {
  constexpr int kParts = kInt8Block / 16;
  int64_t first = 0;
  for (; first + kInt8Block <= columns; first += kInt8Block) {
    *scales++ = round_block<kParts>(x + first, group, values + first, sums + first / group);
  }
  if (first < columns) *scales = round_block<kParts / 2>(x + first, group, values + first, sums + first / group);
}

GESSO_SIMD_INLINE __m128i load_4_words(const uint32_t* words) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(words));
}

// Transposes 4 words of 16 rows. The 128-bit lane L of part[j] holds the 4 words of row 4 L + j. A 4 x 4 transposition
// in each lane then brings the words of the same column together.
GESSO_SIMD_INLINE void transpose_4_words(const uint32_t* rows, int64_t stride, uint32_t* out) {
  __m512i part[4];
  for (int j = 0; j < 4; ++j) {
    part[j] = _mm512_castsi128_si512(load_4_words(rows + j * stride));
    part[j] = _mm512_inserti32x4(part[j], load_4_words(rows + (4 + j) * stride), 1);
    part[j] = _mm512_inserti32x4(part[j], load_4_words(rows + (8 + j) * stride), 2);
    part[j] = _mm512_inserti32x4(part[j], load_4_words(rows + (12 + j) * stride), 3);
  }
  const __m512i low_01 = _mm512_unpacklo_epi32(part[0], part[1]), high_01 = _mm512_unpackhi_epi32(part[0], part[1]);
  const __m512i low_23 = _mm512_unpacklo_epi32(part[2], part[3]), high_23 = _mm512_unpackhi_epi32(part[2], part[3]);
  _mm512_store_si512(out, _mm512_unpacklo_epi64(low_01, low_23));
  _mm512_store_si512(out + kTileOutputs, _mm512_unpackhi_epi64(low_01, low_23));
  _mm512_store_si512(out + 2 * kTileOutputs, _mm512_unpacklo_epi64(high_01, high_23));
  _mm512_store_si512(out + 3 * kTileOutputs, _mm512_unpackhi_epi64(high_01, high_23));
}

GESSO_SIMD void transpose_words(const uint32_t* rows, int64_t stride, int64_t count, uint32_t* out) {
  for (int64_t word = 0; word < count; word += 4) {
    for (int v = 0; v < Simd::kVectors; ++v) {
      transpose_4_words(rows + 16 * v * stride + word, stride, out + word * kTileOutputs + 16 * v);
    }
  }
}

}  // namespace

const Int8Kernels* int8_avx512_vnni() {
  static constexpr Int8Kernels kKernels = {"avx512_vnni", multiply, round_row, transpose_words};
  return runs_avx512() && __builtin_cpu_supports("avx512vnni") ? &kKernels : nullptr;
}

}  // namespace gesso::cpu

#else

#include "cpu/kernels/int8_dispatch.h"

namespace gesso::cpu {
const Int8Kernels* int8_avx512_vnni() { return nullptr; }
}  // namespace gesso::cpu

#endif
