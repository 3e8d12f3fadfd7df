// The kernels for AVX2 with FMA. _mm256_maddubs_epi16 multiplies unsigned with signed 8-bit integers and adds two
// products to 16 bits, which must not overflow. Even two of these sums fit where levels have up to 6 bits: 4 * 63 * 127
// is 32004. Of wide levels (8 bits) the distance to the offset 128 is taken. Its magnitude is multiplied, and its sign
// is moved to x; then one sum fits: 2 * 128 * 127 is 32512.
#include <cstring>

#include "cpu/kernels/int8_dispatch.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include "cpu/simd/avx2.h"

#define GESSO_SIMD GESSO_AVX2

namespace gesso::cpu {
namespace {

// Four columns of kLanes outputs: the levels as stored or, if they are wide, their distances to the offset.
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

#include "cpu/kernels/int8_multiply.h"

namespace gesso::cpu {
namespace {

// Returns the largest magnitude of 8 * kParts columns, or NaN if one of them is NaN.
template <int kParts>
GESSO_AVX2_INLINE float largest_of(const float* x) {
  // Magnitudes are compared as integers, which gives the same order. A NaN is larger than all numbers then.
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i largest = _mm256_setzero_si256();
  for (int i = 0; i < kParts; ++i) {
    largest = _mm256_max_epi32(largest, _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(x + 8 * i)), magnitude));
  }
  __m128i rest = _mm_max_epi32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
  rest = _mm_max_epi32(rest, _mm_shuffle_epi32(rest, 0x4E));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(rest, _mm_shuffle_epi32(rest, 0xB1))));
}

// Rounds 32 columns of a row to 8 bits.
GESSO_AVX2_INLINE __m256i round_32(const float* x, __m256 divisor) {
  __m256i words[4];
  for (int i = 0; i < 4; ++i) words[i] = _mm256_cvtps_epi32(_mm256_div_ps(_mm256_loadu_ps(x + 8 * i), divisor));
  const __m256i bytes =
      _mm256_packs_epi16(_mm256_packs_epi32(words[0], words[1]), _mm256_packs_epi32(words[2], words[3]));
  // The packing instructions work on each half of the register. So the groups of four columns are now in the order 0 2
  // 4 6 1 3 5 7.
  const __m256i in_order = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  return _mm256_max_epi8(in_order, _mm256_set1_epi8(-127));
}

GESSO_AVX2_INLINE int32_t sum_words(__m128i words) {
  const __m128i pairs = _mm_add_epi32(words, _mm_shuffle_epi32(words, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32(pairs, 0xB1)));
}

// Rounds a block of 32 * kParts columns and returns its scale.
template <int kParts>
GESSO_AVX2_INLINE float round_block(const float* x, int group, int8_t* values, int32_t* sums) {
  const float scale = largest_of<4 * kParts>(x) / 127;
  const __m256 divisor = _mm256_set1_ps(scale > 0 ? scale : 1.0f);
  for (int i = 0; i < kParts; ++i) {
    const __m256i rounded = round_32(x + 32 * i, divisor);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + 32 * i), rounded);
    const __m256i fours = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), rounded), _mm256_set1_epi16(1));
    const int32_t low = sum_words(_mm256_castsi256_si128(fours)), high = sum_words(_mm256_extracti128_si256(fours, 1));
    if (group == 32) {
      sums[i] = low + high;
    } else {
      sums[2 * i] = low;
      sums[2 * i + 1] = high;
    }
  }
  return scale;
}

GESSO_SIMD void round_row(const float* x, int64_t columns, int group, int8_t* values, float* scales, int32_t* sums) {
  constexpr int kParts = kInt8Block / 32;
  int64_t first = 0;
  for (; first + kInt8Block <= columns; first += kInt8Block) {
    *scales++ = round_block<kParts>(x + first, group, values + first, sums + first / group);
  }
  if (first < columns) *scales = round_block<kParts / 2>(x + first, group, values + first, sums + first / group);
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
