#include "core/threads/thread_scratch.h"

namespace gesso {

float* thread_scratch(int64_t size) {
  thread_local Buffer<float> buffer;
  return at_least(buffer, size);
}

}  // namespace gesso
