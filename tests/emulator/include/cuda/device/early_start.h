// The emulated csrc/cuda/device/early_start.h. Kernels run one after another. But while accesses are watched, a kernel
// that loads from global memory before it has waited is refused.
#pragma once

#include "cuda/device/kernel.h"
#include "emulator/accesses.h"

namespace gesso::cuda {

inline void wait_for_earlier_kernels() { emulator::wait_for_earlier_kernels(); }

}  // namespace gesso::cuda
