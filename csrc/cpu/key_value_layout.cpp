#include "ops/key_value_layout.h"

namespace gesso::cpu {

ops::KeyValueLayout key_value_layout(int64_t num_key_value_heads, int64_t head_dim, int64_t num_rotated,
                                     bool is_shared) {
  const int64_t row_bytes = num_key_value_heads * head_dim * static_cast<int64_t>(sizeof(float));
  return {num_key_value_heads, head_dim, num_rotated, is_shared, row_bytes, row_bytes};
}

}  // namespace gesso::cpu
