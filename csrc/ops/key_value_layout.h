// How a layer's keys and values lie in memory. The backend chooses this; only qk_norm_rope and attention know it.
#pragma once

#include <cstdint>

#include "ops/op.h"

namespace gesso::ops {

// What the keys and values of a layer are, however they are stored.
struct KeyValueShape {
  int64_t num_key_value_heads = 0;  // G
  int64_t head_dim = 0;             // K
  int64_t num_rotated = 0;          // how many of the K / 2 pairs turn with the position: the first ones
  bool is_shared = false;           // the values are the keys' projection
};

// How keys and values are stored. key_value_layout.cpp in csrc/cpu and in csrc/cuda say what a row holds.
struct KeyValueLayout : KeyValueShape {
  int64_t key_row_bytes = 0;  // bytes of the keys of one position
  int64_t value_row_bytes = 0;
  // If true, only those dims of a key are stored that turn. Its other dims are v * k_norm: the stored values serve for
  // them, and q is multiplied with k_norm in these dims.
  bool has_one_copy = false;
};

}  // namespace gesso::ops

GESSO_OP_WITH_RESULT(ops::KeyValueLayout, key_value_layout, KeyValueShape)
