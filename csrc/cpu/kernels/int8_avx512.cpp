// The kernels for AVX-512 without VNNI (Skylake-X). They do what int8_avx2.cpp does with registers twice as wide.
// AVX-512 has no instruction that moves a sign, so x is negated by a subtraction under a mask.
#include <cstring>

#include "cpu/kernels/int8_dispatch.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include "cpu/simd/avx512.h"

#define GESSO_SIMD GESSO_AVX512

namespace gesso::cpu {
namespace {

// Four columns of kLanes outputs: the levels as stored or, if they are wide, their distances to the offset.
template <bool kIsWide>
struct Columns {
  __m512i values;
};

template <>
struct Columns<true> {
  __m512i magnitude;
  __mmask64 is_negative;
};

struct Simd : Avx512 {
  static constexpr int kVectors = 2, kMaxRows = 5, kQuads = 2;
  static constexpr bool kTakesDistances = true;
  template <bool kIsWide>
  using Levels = Columns<kIsWide>;

  template <bool kIsWide>
  GESSO_AVX512_INLINE Levels<kIsWide> load_levels(const uint8_t* levels) {
    const __m512i stored = _mm512_load_si512(levels);
    if constexpr (kIsWide) {
      const __m512i distance = _mm512_xor_si512(stored, _mm512_set1_epi8(-128));
      return {_mm512_abs_epi8(distance), _mm512_movepi8_mask(distance)};
    } else {
      return {stored};
    }
  }
  GESSO_AVX512_INLINE __m512i broadcast(const int8_t* values) {
    int32_t columns;
    std::memcpy(&columns, values, sizeof(columns));
    return _mm512_set1_epi32(columns);
  }

  template <bool kIsWide>
  GESSO_AVX512_INLINE __m512i dot(__m512i sum, const Levels<kIsWide> (&levels)[2], const __m512i (&x)[2]) {
    const __m512i ones = _mm512_set1_epi16(1);
    if constexpr (kIsWide) {
      for (int i = 0; i < 2; ++i) {
        const __m512i moved = _mm512_mask_sub_epi8(x[i], levels[i].is_negative, _mm512_setzero_si512(), x[i]);
        const __m512i pairs = _mm512_maddubs_epi16(levels[i].magnitude, moved);
        sum = _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, ones));
      }
      return sum;
    } else {
      const __m512i pairs =
          _mm512_add_epi16(_mm512_maddubs_epi16(levels[0].values, x[0]), _mm512_maddubs_epi16(levels[1].values, x[1]));
      return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, ones));
    }
  }
};

}  // namespace
}  // namespace gesso::cpu

#include "cpu/kernels/int8_multiply.h"

namespace gesso::cpu {

const Int8Kernels* int8_avx512() {
  if (!runs_avx512() || !int8_avx2()) return nullptr;
  static const Int8Kernels kKernels = {"avx512", multiply, int8_avx2()->round_row, int8_avx2()->transpose_words};
  return &kKernels;
}

}  // namespace gesso::cpu

#else

namespace gesso::cpu {
const Int8Kernels* int8_avx512() { return nullptr; }
}  // namespace gesso::cpu

#endif
