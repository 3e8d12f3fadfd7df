// Scratch memory that each thread keeps between calls, so that a denoising step does not allocate it again.
#pragma once

#include <cstdint>

#include "core/buffer.h"

namespace gesso {

// Returns room for at least `size` floats, uninitialised. It is valid until this thread calls thread_scratch again.
float* thread_scratch(int64_t size);

// Returns the memory of a buffer that its owner keeps between calls. A buffer of fewer than `size` elements is replaced
// by an uninitialised one of `size` elements.
template <typename T>
T* at_least(Buffer<T>& buffer, int64_t size) {
  if (buffer.size() < size) buffer = Buffer<T>(size);
  return buffer.data();
}

}  // namespace gesso
