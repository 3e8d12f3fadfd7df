// The emulated csrc/cuda/device/delay.h. The emulator's times mean nothing, so nobody has to wait.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

inline void delay(int64_t /*cycles*/) {}

}  // namespace gesso::cuda
