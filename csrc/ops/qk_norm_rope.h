// Normalises the heads of queries and keys, turns them by their positions (RoPE), and stores keys and values.
#pragma once

#include <cstddef>

#include "core/staged.h"
#include "core/tensor.h"
#include "ops/key_value_layout.h"
#include "ops/op.h"

namespace gesso::ops {

// The rows of one sequence in a batch of rows, and where their keys and values go.
struct KeyValueRows {
  int64_t first_row = 0;
  int64_t num_rows = 0;
  int64_t first_position = 0;  // absolute position of first_row
  std::byte* keys = nullptr;   // num_rows rows; the layout says what is in one
  std::byte* values = nullptr;
};

// For each row and head, with pos the row's position and i < K/2:
//   q = rope(rms_head(q, q_norm)) in place;  keys = rope(rms_head(k, k_norm));  values = rms_head(v) without weight
//   rope pairs i with i + K/2 and turns the pair by the angle pos * inv_freq[i] (float32, as the reference does)
struct QkNormRopeArguments {
  // [R, H * K], or no rows when only keys and values are wanted. Where the layout has one copy of keys and values, the
  // dims of q that do not turn are multiplied with k_norm, too. Attention with the same layout expects that.
  Matrix q;
  ConstMatrix k;         // [R, G * K]
  ConstMatrix v;         // [R, G * K]; it may be k itself
  const Tensor& q_norm;  // F32 [K]; not read without q
  const Tensor& k_norm;  // F32 [K]
  float eps;
  Staged<float> inv_freq;  // [K / 2]
  const KeyValueLayout& layout;
  Staged<KeyValueRows> sequences;
};

}  // namespace gesso::ops

GESSO_OP(qk_norm_rope, QkNormRopeArguments)
