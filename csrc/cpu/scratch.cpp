#include "cpu/scratch.h"

#include "core/buffer.h"

namespace gesso::cpu {

float* thread_scratch(int64_t size) {
  thread_local Buffer<float> buffer;
  if (buffer.size() < size) buffer = Buffer<float>(size);
  return buffer.data();
}

}  // namespace gesso::cpu
