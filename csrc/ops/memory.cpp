#include "ops/memory.h"

#include <algorithm>
#include <cstring>
#include "ops/dispatch.h"

namespace gesso::ops {

std::byte* allocate_bytes(const Context& context, int64_t num_bytes) {
  if constexpr (kHasCuda) return cuda::allocate_bytes(context, num_bytes);
  return nullptr;
}

std::byte* allocate_host_bytes(const Context& context, int64_t num_bytes) {
  if constexpr (kHasCuda) return cuda::allocate_host_bytes(context, num_bytes);
  return nullptr;
}

void release_bytes(void* data) {
  if constexpr (kHasCuda) cuda::release_bytes(data);
}

void copy_to_device(const Context& context, const void* source, int64_t num_bytes, void* target) {
  copy_within_device(context, source, num_bytes, target);
}

void copy_to_host(const Context& context, const void* source, int64_t num_bytes, void* target) {
  copy_within_device(context, source, num_bytes, target);
}

void copy_within_device(const Context& context, const void* source, int64_t num_bytes, void* target) {
  if (num_bytes == 0) return;
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::copy(context, source, num_bytes, target);
  }
  std::memcpy(target, source, num_bytes);
}

void move_down(const Context& context, std::byte* source, int64_t num_bytes, std::byte* target) {
  if constexpr (kHasCuda) {
    if (context.queue) {
      // The bytes are copied in pieces. No piece is written where it is read, and the queue keeps the order of the
      // pieces.
      const int64_t distance = source - target;
      for (int64_t done = 0; done < num_bytes && distance > 0; done += distance) {
        cuda::copy(context, source + done, std::min(distance, num_bytes - done), target + done);
      }
      return;
    }
  }
  std::memmove(target, source, num_bytes);
}

void fill_zero(const Context& context, void* target, int64_t num_bytes) {
  if (num_bytes == 0) return;
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::fill_zero(context, target, num_bytes);
  }
  std::memset(target, 0, num_bytes);
}

void synchronize(const Context& context) {
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::synchronize(context);
  }
}

void wait_for_leftovers(const Context& context) {
  try {
    synchronize(context);
  } catch (const CudaError&) {
  }
}

}  // namespace gesso::ops
