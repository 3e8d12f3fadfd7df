#include "ops/key_value_layout.h"

namespace gesso::ops {

KeyValueLayout key_value_layout(const Context& context, int64_t num_key_value_heads, int64_t head_dim,
                                int64_t num_rotated, bool is_shared) {
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::key_value_layout(num_key_value_heads, head_dim, num_rotated, is_shared);
  }
  return cpu::key_value_layout(num_key_value_heads, head_dim, num_rotated, is_shared);
}

}  // namespace gesso::ops
