// How a layer's keys and values lie in memory: the backend's choice, known to qk_norm_rope and attention alone.
#pragma once

#include <cstdint>

#include "ops/op.h"

namespace gesso::ops {

// What a layer's keys and values are.
struct KeyValueShape {
  int64_t num_key_value_heads = 0;  // G
  int64_t head_dim = 0;             // K
  int64_t num_rotated = 0;          // of the K / 2 pairs, the leading ones that turn with the position
  bool is_shared = false;           // the values are the keys' projection
};

// How they are kept; csrc/cpu/key_value_layout.cpp and csrc/cuda/key_value_layout.cu say what a row looks like.
struct KeyValueLayout : KeyValueShape {
  int64_t key_row_bytes = 0;  // of one position
  int64_t value_row_bytes = 0;
  // The keys have only the dims that turn: the others of a key are v * k_norm, and k_norm goes into q.
  bool has_one_copy = false;
};

}  // namespace gesso::ops

GESSO_OP_WITH_RESULT(ops::KeyValueLayout, key_value_layout, KeyValueShape)
