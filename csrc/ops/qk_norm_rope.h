// Per-head normalisation and rotary embedding of queries and keys, and the write of keys and values to where they stay.
#pragma once

#include <span>

#include "core/context.h"
#include "core/tensor.h"

namespace gesso::ops {

// The rows of one sequence in a batch of rows, and where their keys and values go.
struct KeyValueRows {
  int64_t first_row = 0;
  int64_t num_rows = 0;
  int64_t first_position = 0;  // absolute position of first_row
  float* keys = nullptr;       // [num_rows, G, K], row major
  float* values = nullptr;     // [num_rows, G, K]
};

// For each row and head, with pos the row's position and i < K/2:
//   q = rope(rms_head(q, q_norm)) in place;  keys = rope(rms_head(k, k_norm));  values = rms_head(v) without weight
//   rope pairs i with i + K/2 and turns the pair by the angle pos * inv_freq[i] (float32, as the reference does)
// q [R, H * K], or no rows when only keys and values are wanted; k, v [R, G * K] (v may be k itself);
// q_norm, k_norm F32 [K]; inv_freq [K/2].
void qk_norm_rope(const Context& context, Matrix q, ConstMatrix k, ConstMatrix v, const Tensor& q_norm,
                  const Tensor& k_norm, float eps, std::span<const float> inv_freq,
                  std::span<const KeyValueRows> sequences);

}  // namespace gesso::ops

namespace gesso::cpu {
void qk_norm_rope(const Context& context, Matrix q, ConstMatrix k, ConstMatrix v, const Tensor& q_norm,
                  const Tensor& k_norm, float eps, std::span<const float> inv_freq,
                  std::span<const ops::KeyValueRows> sequences);
}
