// The rows of one pass: which sequences they belong to and where each stands.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/staged.h"
#include "model/kv_cache.h"
#include "ops/attention.h"
#include "ops/qk_norm_rope.h"

namespace gesso::model {

// Encoding (causal, writes the cache) or denoising (bidirectional, reads it): the two modes of the one stack.
enum class Mode { kEncode, kDenoise };

struct BatchSequence {
  KvCache* cache = nullptr;
  int64_t first_row = 0;
  int64_t num_rows = 0;
  int64_t first_position = 0;  // absolute position of first_row
};

// The sequences as a layer's ops want them.
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
