#include "cpu/kernels/fused_kernels.h"

namespace gesso::cpu {

FusedMultiply fused_multiply() {
  static const FusedMultiply kChosen = [] {
    for (const auto find : {fused_multiply_avx512, fused_multiply_avx2, fused_multiply_neon}) {
      if (const FusedMultiply multiply = find()) return multiply;
    }
    return FusedMultiply{};
  }();
  return kChosen;
}

}  // namespace gesso::cpu
