// Attention of a batch of rows over the keys in the caches and the keys of the rows themselves, for both modes of the
// model.
#pragma once

#include <cstddef>

#include "core/staged.h"
#include "core/tensor.h"
#include "ops/activations.h"
#include "ops/key_value_layout.h"
#include "ops/op.h"

namespace gesso::ops {

// One sequence: which rows of q are its queries, and which keys they may see. Key j has the absolute position j.
struct AttentionSequence {
  int64_t first_row = 0;
  int64_t num_rows = 0;
  int64_t first_position = 0;  // absolute position of first_row
  // Keys and values of the positions cached_begin .. cached_end - 1. KeyValueLayout says how a row is stored.
  const std::byte* cached_keys = nullptr;
  const std::byte* cached_values = nullptr;
  int64_t cached_begin = 0;
  int64_t cached_end = 0;
  // Only when denoising: keys and values of the num_rows rows themselves, which are in no cache then.
  const std::byte* own_keys = nullptr;
  const std::byte* own_values = nullptr;
};

// Which of the given keys a row at position p sees:
//   kCausal    Encoding. The row sees key j if j <= p, and on sliding layers only if j > p - window. The keys of the
//              rows themselves are in the cache already.
//   kCanvas    Denoising. The row sees all given cached keys, and the keys of all rows of its sequence. On sliding
//              layers the caller gives only the last window - 1 cached keys.
enum class AttentionMode { kCausal, kCanvas };

// out[r, h] = sum_j softmax_j(q[r, h] . k[j, g]) * v[j, g] with g = h / (H / G); the scale of q.k is 1.
// Every row sees at least one key. Keys are summed in blocks of 64 on the CPU, and of 64, 32 or 16 on a GPU. Blocks
// begin at positions that are multiples of their size, so a row's result does not depend on how its prompt was cut into
// chunks. Where the result is rounded for a product, `out` may hold anything afterwards.
struct AttentionArguments {
  ConstMatrix q;                 // [R, H * K]
  const KeyValueLayout& layout;  // on a GPU K is at most 512
  AttentionMode mode;
  int64_t window;                       // 0: there is no window
  Staged<AttentionSequence> sequences;  // on a GPU they share no rows
  Matrix out;                           // [R, H * K]; shares no memory with q
  Rounding rounding = {};               // of out, which has a single product
};

}  // namespace gesso::ops

GESSO_OP(attention, AttentionArguments)
