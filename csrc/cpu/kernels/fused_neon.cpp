// The kernel for NEON, which every 64-bit Arm processor has. The sums of 5 rows take 20 of the 32 registers.
#include "cpu/kernels/fused_kernels.h"

#if defined(__aarch64__) && defined(__GNUC__)
#include "cpu/simd/neon.h"

#define GESSO_SIMD

namespace gesso::cpu {
namespace {

struct Simd : Neon {
  static constexpr int kMaxRows = 5;
};

}  // namespace
}  // namespace gesso::cpu

#include "cpu/kernels/fused_multiply.h"

namespace gesso::cpu {
FusedMultiply fused_multiply_neon() { return multiply; }
}  // namespace gesso::cpu

#else

namespace gesso::cpu {
FusedMultiply fused_multiply_neon() { return nullptr; }
}  // namespace gesso::cpu

#endif
