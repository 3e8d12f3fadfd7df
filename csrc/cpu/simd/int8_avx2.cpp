// AVX2 with FMA. Products of 8-bit integers come in pairs of 16 bits that saturate: levels of up to 6 bits leave room
// for the sum of two such pairs; wide ones are multiplied by their magnitude, with the sign moved to x.
#include <cstring>

#include "cpu/simd/int8_dispatch.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include "cpu/simd/avx2.h"

#define GESSO_SIMD GESSO_AVX2

namespace gesso::cpu {
namespace {

// Four columns of kLanes outputs: as they are or, if they are wide, as distances to the offset.
template <bool kIsWide>
struct Columns {
  __m256i values;
};

template <>
struct Columns<true> {
  __m256i magnitude, sign;
};

struct Simd : Avx2 {
  static constexpr int kVectors = 2, kMaxRows = 3, kQuads = 2;
  static constexpr bool kTakesDistances = true;
  template <bool kIsWide>
  using Levels = Columns<kIsWide>;

  template <bool kIsWide>
  GESSO_AVX2_INLINE Levels<kIsWide> load_levels(const uint8_t* levels) {
    const __m256i stored = _mm256_load_si256(reinterpret_cast<const __m256i*>(levels));
    if constexpr (kIsWide) {
      const __m256i distance = _mm256_xor_si256(stored, _mm256_set1_epi8(-128));
      return {_mm256_abs_epi8(distance), distance};
    } else {
      return {stored};
    }
  }
  GESSO_AVX2_INLINE __m256i broadcast(const int8_t* values) {
    int32_t columns;
    std::memcpy(&columns, values, sizeof(columns));
    return _mm256_set1_epi32(columns);
  }

  template <bool kIsWide>
  GESSO_AVX2_INLINE __m256i dot(__m256i sum, const Levels<kIsWide> (&levels)[2], const __m256i (&x)[2]) {
    const __m256i ones = _mm256_set1_epi16(1);
    if constexpr (kIsWide) {
      for (int i = 0; i < 2; ++i) {
        const __m256i pairs = _mm256_maddubs_epi16(levels[i].magnitude, _mm256_sign_epi8(x[i], levels[i].sign));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
      }
      return sum;
    } else {
      const __m256i pairs =
          _mm256_add_epi16(_mm256_maddubs_epi16(levels[0].values, x[0]), _mm256_maddubs_epi16(levels[1].values, x[1]));
      return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
  }
};

}  // namespace
}  // namespace gesso::cpu

#include "cpu/simd/int8_multiply.h"

namespace gesso::cpu {
namespace {

// The largest of 32 magnitudes; NaN if one of them is.
GESSO_AVX2_INLINE float largest_of(const __m256 (&x)[4]) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 largest = _mm256_setzero_ps(), nan = _mm256_setzero_ps();
  for (int i = 0; i < 4; ++i) {
    largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign, x[i]));
    nan = _mm256_or_ps(nan, _mm256_cmp_ps(x[i], x[i], _CMP_UNORD_Q));
  }
  if (_mm256_movemask_ps(nan)) return __builtin_nanf("");
  __m128 rest = _mm_max_ps(_mm256_castps256_ps128(largest), _mm256_extractf128_ps(largest, 1));
  rest = _mm_max_ps(rest, _mm_movehl_ps(rest, rest));
  return _mm_cvtss_f32(_mm_max_ss(rest, _mm_shuffle_ps(rest, rest, 1)));
}

// 32 columns of a row.
GESSO_AVX2_INLINE __m256i round_block(const float* x, float* scale) {
  __m256 values[4];
  for (int i = 0; i < 4; ++i) values[i] = _mm256_loadu_ps(x + 8 * i);
  *scale = largest_of(values) / 127;
  const __m256 divisor = _mm256_set1_ps(*scale > 0 ? *scale : 1.0f);
  __m256i words[4];
  for (int i = 0; i < 4; ++i) words[i] = _mm256_cvtps_epi32(_mm256_div_ps(values[i], divisor));
  const __m256i bytes =
      _mm256_packs_epi16(_mm256_packs_epi32(words[0], words[1]), _mm256_packs_epi32(words[2], words[3]));
  // Packing works within halves: fours of columns 0 2 4 6, 1 3 5 7.
  const __m256i in_order = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  return _mm256_max_epi8(in_order, _mm256_set1_epi8(-127));
}

GESSO_AVX2_INLINE int32_t sum_words(__m128i words) {
  const __m128i pairs = _mm_add_epi32(words, _mm_shuffle_epi32(words, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32(pairs, 0xB1)));
}

GESSO_SIMD void round_row(const float* x, int64_t columns, int group, int8_t* values, float* scales, int32_t* sums) {
  for (int64_t b = 0; b < columns / kInt8Block; ++b) {
    const __m256i rounded = round_block(x + b * kInt8Block, scales + b);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + b * kInt8Block), rounded);
    const __m256i fours = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), rounded), _mm256_set1_epi16(1));
    const int32_t low = sum_words(_mm256_castsi256_si128(fours)), high = sum_words(_mm256_extracti128_si256(fours, 1));
    if (group == kInt8Block) {
      sums[b] = low + high;
    } else {
      sums[2 * b] = low;
      sums[2 * b + 1] = high;
    }
  }
}

}  // namespace

const Int8Kernels* int8_avx2() {
  static const Int8Kernels kKernels = {"avx2", multiply, round_row, int8_portable()->transpose_words};
  return runs_avx2() ? &kKernels : nullptr;
}

}  // namespace gesso::cpu

#else

namespace gesso::cpu {
const Int8Kernels* int8_avx2() { return nullptr; }
}  // namespace gesso::cpu

#endif
