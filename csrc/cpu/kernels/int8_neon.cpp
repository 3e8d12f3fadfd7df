// The kernels for NEON with the dot products of Armv8.2, which add four products of signed 8-bit integers. Levels of up
// to 6 bits can be used as they are. Wide levels are replaced by their distances to the offset 128.
#include <cstring>

#include "cpu/kernels/int8_dispatch.h"

#if defined(__aarch64__) && defined(__GNUC__)
#include "core/platform/processors.h"
#include "cpu/simd/neon.h"

#define GESSO_SIMD __attribute__((target("arch=armv8.2-a+dotprod")))
#define GESSO_SIMD_INLINE __attribute__((target("arch=armv8.2-a+dotprod"), always_inline)) inline static

namespace gesso::cpu {
namespace {

struct Simd : Neon {
  static constexpr int kVectors = 4, kMaxRows = 3, kQuads = 1;
  static constexpr bool kTakesDistances = true;
  template <bool kIsWide>
  using Levels = int8x16_t;

  template <bool kIsWide>
  GESSO_SIMD_INLINE int8x16_t load_levels(const uint8_t* levels) {
    const uint8x16_t stored = vld1q_u8(levels);
    return vreinterpretq_s8_u8(kIsWide ? veorq_u8(stored, vdupq_n_u8(128)) : stored);
  }
  GESSO_SIMD_INLINE int32x4_t broadcast(const int8_t* values) {
    int32_t columns;
    std::memcpy(&columns, values, sizeof(columns));
    return vdupq_n_s32(columns);
  }
  template <bool kIsWide>
  GESSO_SIMD_INLINE int32x4_t dot(int32x4_t sum, const int8x16_t (&levels)[1], const int32x4_t (&x)[1]) {
    return vdotq_s32(sum, levels[0], vreinterpretq_s8_s32(x[0]));
  }
};

}  // namespace
}  // namespace gesso::cpu

#include "cpu/kernels/int8_multiply.h"

namespace gesso::cpu {

const Int8Kernels* int8_neon() {
  static const Int8Kernels kKernels = {"neon_dotprod", multiply, int8_portable()->round_row,
                                       int8_portable()->transpose_words};
  static const bool kRuns = platform::has_dot_products();
  return kRuns ? &kKernels : nullptr;
}

}  // namespace gesso::cpu

#else

namespace gesso::cpu {
const Int8Kernels* int8_neon() { return nullptr; }
}  // namespace gesso::cpu

#endif
