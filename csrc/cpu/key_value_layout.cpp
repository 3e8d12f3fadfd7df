#include "ops/key_value_layout.h"

namespace gesso::cpu {

// A row of keys, like a row of values, is float [G, K].
ops::KeyValueLayout key_value_layout(const Context& /*context*/, const ops::KeyValueShape& shape) {
  const int64_t row_bytes = shape.num_key_value_heads * shape.head_dim * static_cast<int64_t>(sizeof(float));
  return {shape, row_bytes, row_bytes, false};
}

}  // namespace gesso::cpu
