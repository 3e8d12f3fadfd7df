// The kernels for NEON with the matrix products of Armv8.6 (Grace and other Neoverse V1, V2). One usmmla multiplies 8
// columns of two outputs with those of two rows of x, twice as many products as a dot product of int8_neon.cpp. So the
// levels of 8 columns of an output lie side by side. An odd last row of x is multiplied twice and used once.
#include "cpu/kernels/int8_dispatch.h"

#if defined(__aarch64__) && defined(__GNUC__)
#include <algorithm>

#include "core/platform/processors.h"
#include "cpu/simd/neon.h"

#define GESSO_SIMD __attribute__((target("arch=armv8.2-a+dotprod+i8mm")))
#define GESSO_SIMD_INLINE __attribute__((target("arch=armv8.2-a+dotprod+i8mm"), always_inline)) inline static

namespace gesso::cpu {
namespace {

// The integer sums of 6 rows take 12 of the 32 registers, and their sums over a block of x as many.
struct Simd : Neon {
  static constexpr int kVectors = 2, kMaxRows = 6, kColumnsTogether = 8;
  static constexpr bool kTakesDistances = false;

  // A sum holds two outputs for a row of x, and the same two for the next row, as usmmla leaves them: in lanes 0 and 2,
  // and in lanes 1 and 3.
  template <int R, int kGroup, bool kHasNoOffset>
  GESSO_SIMD_INLINE void multiply_group(const uint8_t* levels, const auto& block, int64_t group,
                                        int32x4_t (&dots)[R][kVectors]) {
    constexpr int kPairs = (R + 1) / 2, kHalves = 2 * kVectors;
    int32x4_t sums[kPairs][kHalves];
    for (int p = 0; p < kPairs; ++p) {
      const int first = 2 * p, second = std::min(first + 1, R - 1);
      const int32x4_t start =
          kHasNoOffset ? set1(0) : vzip1q_s32(set1(block.offsets[first][group]), set1(block.offsets[second][group]));
      for (int32x4_t& sum : sums[p]) sum = start;
    }
#pragma GCC unroll 4
    for (int column = 0; column < kGroup; column += kColumnsTogether) {
      uint8x16_t weights[kHalves];
      for (int h = 0; h < kHalves; ++h) weights[h] = vld1q_u8(levels + column * kTileOutputs + 16 * h);
      for (int p = 0; p < kPairs; ++p) {
        const int first = 2 * p, second = std::min(first + 1, R - 1);
        const int64_t place = group * kGroup + column;
        const int8x16_t x = vcombine_s8(vld1_s8(block.values[first] + place), vld1_s8(block.values[second] + place));
        for (int h = 0; h < kHalves; ++h) sums[p][h] = vusmmlaq_s32(sums[p][h], weights[h], x);
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        const int32x4_t low = sums[r / 2][2 * v], high = sums[r / 2][2 * v + 1];
        dots[r][v] = r % 2 ? vuzp2q_s32(low, high) : vuzp1q_s32(low, high);
      }
    }
  }
};

}  // namespace
}  // namespace gesso::cpu

#include "cpu/kernels/int8_multiply.h"

namespace gesso::cpu {

const Int8Kernels* int8_neon_i8mm() {
  static const Int8Kernels kKernels = {"neon_i8mm", multiply, int8_portable()->round_row,
                                       int8_portable()->transpose_words, Simd::kColumnsTogether};
  static const bool kRuns = platform::has_matrix_products();
  return kRuns ? &kKernels : nullptr;
}

}  // namespace gesso::cpu

#else

namespace gesso::cpu {
const Int8Kernels* int8_neon_i8mm() { return nullptr; }
}  // namespace gesso::cpu

#endif
