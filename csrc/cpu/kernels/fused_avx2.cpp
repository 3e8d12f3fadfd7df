// The kernel for AVX2. The sums of 6 rows take 12 of the 16 registers.
#include "cpu/kernels/fused_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include "cpu/simd/avx2.h"

#define GESSO_SIMD GESSO_AVX2

namespace gesso::cpu {
namespace {

struct Simd : Avx2 {
  static constexpr int kMaxRows = 6;
};

}  // namespace
}  // namespace gesso::cpu

#include "cpu/kernels/fused_multiply.h"

namespace gesso::cpu {
FusedMultiply fused_multiply_avx2() { return runs_avx2() ? multiply : nullptr; }
}  // namespace gesso::cpu

#else

namespace gesso::cpu {
FusedMultiply fused_multiply_avx2() { return nullptr; }
}  // namespace gesso::cpu

#endif
