// The rows of one pass: which sequences they belong to, and at which positions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/staged.h"
#include "model/kv_cache.h"
#include "ops/attention.h"
#include "ops/qk_norm_rope.h"

namespace gesso::model {

// The two modes of the stack of layers. Encoding is causal and writes the cache; denoising is bidirectional and reads
// it.
enum class Mode { kEncode, kDenoise };

struct BatchSequence {
  KvCache* cache = nullptr;
  int64_t first_row = 0;
  int64_t num_rows = 0;
  int64_t first_position = 0;  // absolute position of first_row
};

// The same sequences as arguments of the ops of one layer.
struct BatchLayer {
  Staged<ops::KeyValueRows> key_value_rows;
  Staged<ops::AttentionSequence> attention_sequences;
};

struct Batch {
  Mode mode = Mode::kEncode;
  std::vector<BatchSequence> sequences;
  int64_t num_rows = 0;
  std::vector<BatchLayer> layers;  // filled by stage_attention
};

}  // namespace gesso::model
