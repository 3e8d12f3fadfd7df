// Scratch memory of the calling thread, kept between calls so that a running denoise allocates nothing.
#pragma once

#include <cstdint>

namespace gesso::cpu {

// At least `size` floats, uninitialised, valid until this thread's next call.
float* thread_scratch(int64_t size);

}  // namespace gesso::cpu
