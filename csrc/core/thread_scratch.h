// Scratch memory of the calling thread, kept between calls so that a running denoise allocates nothing.
#pragma once

#include <cstdint>

#include "core/buffer.h"

namespace gesso {

// At least `size` floats, uninitialised, valid until this thread's next call.
float* thread_scratch(int64_t size);

// The memory of a buffer that is kept between calls, too: grown to `size` if it is smaller, and then uninitialised.
template <typename T>
T* at_least(Buffer<T>& buffer, int64_t size) {
  if (buffer.size() < size) buffer = Buffer<T>(size);
  return buffer.data();
}

}  // namespace gesso
