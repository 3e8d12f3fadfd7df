#include "cpu/kernels/int8_kernels.h"

#include "cpu/kernels/int8_dispatch.h"

namespace gesso::cpu {

const Int8Kernels& int8_kernels() {
  static const Int8Kernels* const kChosen = [] {
    for (const auto find : {int8_avx512_vnni, int8_avx512, int8_avx2, int8_neon_i8mm, int8_neon}) {
      if (const Int8Kernels* kernels = find()) return kernels;
    }
    return int8_portable();
  }();
  return *kChosen;
}

}  // namespace gesso::cpu
