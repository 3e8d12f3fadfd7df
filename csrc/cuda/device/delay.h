// A kernel's way to spend time.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Returns when the multiprocessor's clock has made so many cycles.
__device__ inline void delay(int64_t cycles) {
  for (const int64_t start = clock64(); clock64() - start < cycles;) {
  }
}

}  // namespace gesso::cuda
