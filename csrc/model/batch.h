// The rows of one pass: which sequences they belong to and where each stands.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/kv_cache.h"

namespace gesso::model {

// Encoding (causal, writes the cache) or denoising (bidirectional, reads it): the two modes of the one stack.
enum class Mode { kEncode, kDenoise };

struct BatchSequence {
  KvCache* cache = nullptr;
  int64_t first_row = 0;
  int64_t num_rows = 0;
  int64_t first_position = 0;  // absolute position of first_row
};

struct Batch {
  Mode mode = Mode::kEncode;
  std::vector<BatchSequence> sequences;
  int64_t num_rows = 0;
};

}  // namespace gesso::model
