// The kernel for AVX-512. The sums of 12 rows take 12 registers. Each multiply-add broadcasts its element of x from
// memory, so that x takes no register.
#include "cpu/kernels/fused_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include "cpu/simd/avx512.h"

#define GESSO_SIMD GESSO_AVX512

namespace gesso::cpu {
namespace {

struct Simd : Avx512 {
  static constexpr int kMaxRows = 12;
};

}  // namespace
}  // namespace gesso::cpu

#include "cpu/kernels/fused_multiply.h"

namespace gesso::cpu {
FusedMultiply fused_multiply_avx512() { return runs_avx512() ? multiply : nullptr; }
}  // namespace gesso::cpu

#else

namespace gesso::cpu {
FusedMultiply fused_multiply_avx512() { return nullptr; }
}  // namespace gesso::cpu

#endif
