// The kernels of int8_kernels.h for each instruction set. Each function returns null where the machine or the compiler
// does not have the set.
#pragma once

#include "cpu/kernels/int8_kernels.h"

namespace gesso::cpu {

const Int8Kernels* int8_avx512_vnni();
const Int8Kernels* int8_avx512();
const Int8Kernels* int8_avx2();
const Int8Kernels* int8_neon_i8mm();
const Int8Kernels* int8_neon();
const Int8Kernels* int8_portable();  // never null

}  // namespace gesso::cpu
