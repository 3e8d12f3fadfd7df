// Whether kernels may start while the one before them still runs (device/early_start.h).
#pragma once

namespace gesso::cuda {

// A benchmark sets it to false before it starts any kernel, to measure what it is worth.
inline bool starts_kernels_early = true;

// Whether a kernel may start early on the current device. It may if it waits by itself, which only the machine code for
// 9.0 and newer GPUs does. A GPU that translates the library's PTX, which is for 8.0, has code that does not. CUDA is
// asked once for each kernel and device. `name` is for errors.
bool may_start_early(const void* kernel, const char* name);

}  // namespace gesso::cuda
