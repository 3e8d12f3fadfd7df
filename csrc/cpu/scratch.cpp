#include "cpu/scratch.h"

namespace gesso::cpu {

float* thread_scratch(int64_t size) {
  thread_local Buffer<float> buffer;
  return at_least(buffer, size);
}

}  // namespace gesso::cpu
