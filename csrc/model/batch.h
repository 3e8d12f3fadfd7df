// The rows of one pass: which sequences they belong to, and at which positions.
#pragma once

#include <cstdint>
#include <vector>

#include "core/staged.h"
#include "model/kv_cache.h"
#include "ops/attention.h"
#include "ops/qk_norm_rope.h"

namespace gesso::model {

// Neighbouring rows of a pass that belong to one sequence.
struct Segment {
  KvCache* cache = nullptr;
  int64_t first_row = 0;
  int64_t num_rows = 0;
  int64_t first_position = 0;  // absolute position of first_row
};

// The same segments as arguments of the ops of one layer.
struct BatchLayer {
  Staged<ops::KeyValueRows> key_value_rows;  // of all segments
  Staged<ops::AttentionSequence> canvases;   // their rows count from the first row of the pass
  Staged<ops::AttentionSequence> texts;      // their rows count from the first row of the first text
};

// A pass has two kinds of segments. The rows of a canvas see each other and the cache, which they only read. The rows
// of a text are causal: they see what stands before them, and their keys and values are written to the cache. All
// canvases come before all texts. So what only canvases go through takes the first rows of the pass.
//
// A text and a canvas of the same sequence may share a pass. In each layer the text's keys and values are written
// before the canvas reads them.
struct Batch {
  std::vector<Segment> canvases, texts;
  int64_t num_canvas_rows = 0, num_rows = 0;
  std::vector<BatchLayer> layers;  // filled by stage_attention

  int64_t num_text_rows() const { return num_rows - num_canvas_rows; }
};

}  // namespace gesso::model
