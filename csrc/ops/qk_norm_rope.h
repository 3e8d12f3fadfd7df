// Per-head normalisation and rotary embedding of queries and keys, and the write of keys and values to where they stay.
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/staged.h"
#include "core/tensor.h"
#include "ops/key_value_layout.h"

namespace gesso::ops {

// The rows of one sequence in a batch of rows, and where their keys and values go.
struct KeyValueRows {
  int64_t first_row = 0;
  int64_t num_rows = 0;
  int64_t first_position = 0;  // absolute position of first_row
  std::byte* keys = nullptr;   // num_rows rows, as the layout says
  std::byte* values = nullptr;
};

// For each row and head, with pos the row's position and i < K/2:
//   q = rope(rms_head(q, q_norm)) in place;  keys = rope(rms_head(k, k_norm));  values = rms_head(v) without weight
//   rope pairs i with i + K/2 and turns the pair by the angle pos * inv_freq[i] (float32, as the reference does)
// q [R, H * K], or no rows when only keys and values are wanted; k, v [R, G * K] (v may be k itself);
// q_norm, k_norm F32 [K]; inv_freq [K/2]. What a layout keeps of keys once
// for several uses may change what q holds; attention with the same layout knows.
void qk_norm_rope(const Context& context, Matrix q, ConstMatrix k, ConstMatrix v, const Tensor& q_norm,
                  const Tensor& k_norm, float eps, Staged<float> inv_freq, const KeyValueLayout& layout,
                  Staged<KeyValueRows> sequences);

}  // namespace gesso::ops

namespace gesso::cpu {
void qk_norm_rope(const Context& context, Matrix q, ConstMatrix k, ConstMatrix v, const Tensor& q_norm,
                  const Tensor& k_norm, float eps, Staged<float> inv_freq, const ops::KeyValueLayout& layout,
                  Staged<ops::KeyValueRows> sequences);
}
namespace gesso::cuda {
void qk_norm_rope(const Context& context, Matrix q, ConstMatrix k, ConstMatrix v, const Tensor& q_norm,
                  const Tensor& k_norm, float eps, Staged<float> inv_freq, const ops::KeyValueLayout& layout,
                  Staged<ops::KeyValueRows> sequences);
}
