// Attention of a batch of rows over cached and own keys, for both modes of the model.
#pragma once

#include <span>

#include "core/context.h"
#include "core/tensor.h"

namespace gesso::ops {

// One sequence: which rows ask, and what they see. Key j has the absolute position j.
struct AttentionSequence {
  int64_t first_row = 0;
  int64_t num_rows = 0;
  int64_t first_position = 0;            // absolute position of first_row
  const float* cached_keys = nullptr;    // [cached_end - cached_begin, G, K]: positions cached_begin .. cached_end - 1
  const float* cached_values = nullptr;  // same shape
  int64_t cached_begin = 0;
  int64_t cached_end = 0;
  const float* own_keys = nullptr;  // denoise: [num_rows, G, K], the rows' own, positions first_position ...
  const float* own_values = nullptr;
};

// What a row at position p may see of the keys given:
//   kCausal    j <= p, and j > p - window on sliding layers           (encode; own_keys are in the cache already)
//   kCanvas    every cached key given, and every own key              (denoise; the caller has cut the cached range to
//                                                                     the last window - 1 on sliding layers)
enum class AttentionMode { kCausal, kCanvas };

// out[r, h] = sum_j softmax_j(q[r, h] . k[j, g]) * v[j, g] with g = h / (H / G); the scale of q.k is 1.
// q, out [R, H * head_dim]; window 0 means no window. Every row sees at least one key.
// Keys are summed in blocks that start at multiples of 64 of the position, so that a row's result does not depend on
// how its prompt was cut into chunks.
void attention(const Context& context, ConstMatrix q, int64_t num_key_value_heads, int64_t head_dim, AttentionMode mode,
               int64_t window, std::span<const AttentionSequence> sequences, Matrix out);

}  // namespace gesso::ops

namespace gesso::cpu {
void attention(const Context& context, ConstMatrix q, int64_t num_key_value_heads, int64_t head_dim,
               ops::AttentionMode mode, int64_t window, std::span<const ops::AttentionSequence> sequences, Matrix out);
}
