#include "ops/key_value_layout.h"

namespace gesso::cuda {
namespace {

constexpr int64_t kElementBytes = 2;   // bf16
constexpr int64_t kPieceElements = 8;  // 16 bytes, which one asynchronous copy moves
// The dims that one matrix instruction multiplies. Either all of them are rotated or none.
constexpr int64_t kStepDims = 16;

bool can_share(int64_t head_dim, int64_t num_rotated, bool is_shared) {
  return is_shared && head_dim % (2 * kStepDims) == 0 && num_rotated % kStepDims == 0 && num_rotated > 0 &&
         2 * num_rotated < head_dim;
}

}  // namespace

ops::KeyValueLayout key_value_layout(int64_t num_key_value_heads, int64_t head_dim, int64_t num_rotated,
                                     bool is_shared) {
  const int64_t padded = (head_dim + kPieceElements - 1) / kPieceElements * kPieceElements;
  const int64_t key_dims = can_share(head_dim, num_rotated, is_shared) ? 2 * num_rotated : padded;
  const int64_t element_bytes = num_key_value_heads * kElementBytes;
  return {num_key_value_heads, head_dim, num_rotated, is_shared, key_dims * element_bytes, padded * element_bytes};
}

bool has_one_copy(const ops::KeyValueLayout& layout) {
  return can_share(layout.head_dim, layout.num_rotated, layout.is_shared);
}

}  // namespace gesso::cuda
