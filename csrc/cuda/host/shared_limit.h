// How much shared memory a kernel may ask for.
#pragma once

#include <cstdint>

namespace gesso::cuda {

// A kernel may use this much without asking for more.
constexpr int64_t kDefaultSharedBytes = 48 * 1024;

// Must be called before a launch with more shared memory than that. It lets the kernel have as much as the current
// device gives a block. The limit belongs to the kernel, not to the launch, and another thread may be about to launch
// the same kernel with more memory. So the limit is set to the highest at once, and CUDA is called once for each kernel
// and device. `name` is for errors.
void raise_shared_limit(const void* kernel, const char* name);

}  // namespace gesso::cuda
