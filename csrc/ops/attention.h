// Attention of a batch of rows over cached and own keys, for both modes of the model.
#pragma once

#include <cstddef>

#include "core/staged.h"
#include "core/tensor.h"
#include "ops/key_value_layout.h"
#include "ops/op.h"

namespace gesso::ops {

// One sequence: which rows ask, and what they see. Key j has the absolute position j.
struct AttentionSequence {
  int64_t first_row = 0;
  int64_t num_rows = 0;
  int64_t first_position = 0;  // absolute position of first_row
  // Rows as the layout says, of the positions cached_begin .. cached_end - 1.
  const std::byte* cached_keys = nullptr;
  const std::byte* cached_values = nullptr;
  int64_t cached_begin = 0;
  int64_t cached_end = 0;
  const std::byte* own_keys = nullptr;  // denoise: num_rows rows, the rows' own, positions first_position ...
  const std::byte* own_values = nullptr;
};

// What a row at position p may see of the keys given:
//   kCausal    j <= p, and j > p - window on sliding layers           (encode; own_keys are in the cache already)
//   kCanvas    every cached key given, and every own key              (denoise; the caller has cut the cached range to
//                                                                     the last window - 1 on sliding layers)
enum class AttentionMode { kCausal, kCanvas };

// out[r, h] = sum_j softmax_j(q[r, h] . k[j, g]) * v[j, g] with g = h / (H / G); the scale of q.k is 1.
// Every row sees at least one key. Keys are summed in blocks that start at multiples of the position (64 on the CPU, 32
// or 16 on a GPU), so that a row's result does not depend on how its prompt was cut into chunks.
struct AttentionArguments {
  ConstMatrix q;                 // [R, H * K]
  const KeyValueLayout& layout;  // on a GPU K is at most 512
  AttentionMode mode;
  int64_t window;                       // 0: none
  Staged<AttentionSequence> sequences;  // on a GPU they share no rows
  Matrix out;                           // [R, H * K]
};

}  // namespace gesso::ops

GESSO_OP(attention, AttentionArguments)
