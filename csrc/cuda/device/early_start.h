// Lets a kernel start while the one before it still runs (programmatic dependent launch), so that launching takes less
// of a step. It needs compute capability 9.0.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// The first statement of every kernel, of all its threads. It lets the kernel behind this one start, as soon as each
// block of this one has started. Then it waits until the kernel before this one has ended, whose results can then be
// read. Every kernel must wait: that one has ended only says that those before it have, because it has waited, too.
// The machine code for older GPUs has nothing here, and launch() does not let such a kernel start early.
__device__ inline void wait_for_earlier_kernels() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

}  // namespace gesso::cuda
