// How a layer's keys and values lie in memory: the backend's choice, known to qk_norm_rope and attention alone.
#pragma once

#include <cstdint>

#include "core/context.h"

namespace gesso::ops {

struct KeyValueLayout {
  int64_t num_key_value_heads = 0;  // G
  int64_t head_dim = 0;             // K
  int64_t num_rotated = 0;          // of the K / 2 pairs, the leading ones that turn with the position
  bool is_shared = false;           // the values are the keys' projection
  int64_t key_row_bytes = 0;        // of one position
  int64_t value_row_bytes = 0;
};

KeyValueLayout key_value_layout(const Context& context, int64_t num_key_value_heads, int64_t head_dim,
                                int64_t num_rotated, bool is_shared);

}  // namespace gesso::ops

namespace gesso::cpu {
// Keys and values float [G, K].
ops::KeyValueLayout key_value_layout(int64_t num_key_value_heads, int64_t head_dim, int64_t num_rotated,
                                     bool is_shared);
}  // namespace gesso::cpu

namespace gesso::cuda {
// bf16 [G, Kp] each, Kp = K rounded up to 8 elements and filled with zeros, so that rows can be copied 16 bytes at a
// time. Where the values are the keys' projection and few of their dims turn (num_rotated and K / 2 multiples of 16,
// 2 * num_rotated < K), one copy serves both: values [G, K] hold v, keys only the dims that turn, [G, 2 * num_rotated],
// dims 0 .. R - 1 and then K/2 .. K/2 + R - 1. The other dims of a key are v * k_norm, and k_norm goes into q.
ops::KeyValueLayout key_value_layout(int64_t num_key_value_heads, int64_t head_dim, int64_t num_rotated,
                                     bool is_shared);
// Whether the keys hold only the dims that turn.
bool has_one_copy(const ops::KeyValueLayout& layout);
}  // namespace gesso::cuda
