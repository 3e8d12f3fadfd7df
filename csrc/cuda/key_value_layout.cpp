#include "ops/key_value_layout.h"

#include "cuda/attention/attention_memory.h"

namespace gesso::cuda {
namespace {

constexpr int64_t kElementBytes = 2;   // bf16
constexpr int64_t kPieceElements = 8;  // 16 bytes, which one asynchronous copy moves
// The dims that one matrix instruction multiplies. Either all of them are rotated or none.
constexpr int64_t kStepDims = 16;

bool can_share(const ops::KeyValueShape& shape) {
  const int64_t unit = stored_key_unit(static_cast<int>(shape.head_dim));
  return shape.is_shared && shape.head_dim % (2 * kStepDims) == 0 && shape.num_rotated % unit == 0 &&
         shape.num_rotated > 0 && 2 * shape.num_rotated < shape.head_dim;
}

}  // namespace

// A row of keys, and of values: bf16 [G, Kp], Kp = K rounded up to 8 elements and filled with zeros, so that rows can
// be copied 16 bytes at a time. Where the values are the keys' projection and few of their dims turn (num_rotated and
// K / 2 multiples of 16, and num_rotated of 64 where K > 256; 2 * num_rotated < K), one copy serves both: values [G, K]
// hold v, keys only the dims that turn, [G, 2 * r] with r = num_rotated: dims 0 .. r - 1 and then K/2 .. K/2 + r - 1.
ops::KeyValueLayout key_value_layout(const Context& /*context*/, const ops::KeyValueShape& shape) {
  const bool has_one_copy = can_share(shape);
  const int64_t padded = (shape.head_dim + kPieceElements - 1) / kPieceElements * kPieceElements;
  const int64_t key_dims = has_one_copy ? 2 * shape.num_rotated : padded;
  const int64_t element_bytes = shape.num_key_value_heads * kElementBytes;
  return {shape, key_dims * element_bytes, padded * element_bytes, has_one_copy};
}

}  // namespace gesso::cuda
