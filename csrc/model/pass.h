// One pass over the layers: canvases to denoise, texts to encode, or both.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/batch.h"
#include "model/pass_context.h"

namespace gesso::model {

// A slice of a text. Its ids are appended to the cache.
struct EncodeRequest {
  KvCache* cache = nullptr;
  std::span<const int32_t> ids;  // in [0, V); may be empty
};

struct DenoiseRequest {
  KvCache* cache = nullptr;         // read; the canvas is not written to it
  std::span<const int32_t> canvas;  // [C], in [0, V)
  // Whether the soft embedding's rows hold the soft embedding of the step before. If not, they are not read.
  bool has_self_conditioning = false;
  // What stands in front of the canvas and is not in the cache yet. It is encoded in the same pass.
  std::span<const int32_t> text = {};
};

// The rows of all requests must fit pass.memory.max_rows().
class Pass {
 public:
  // Appends the texts to their caches, and stages the arrays of all layers. Then the caller may stage arrays of its
  // own. It must upload them before run().
  Pass(const PassContext& pass, std::span<const DenoiseRequest> canvases, std::span<const EncodeRequest> texts = {});

  int64_t num_canvas_rows() const { return batch_.num_canvas_rows; }
  bool has_texts() const { return batch_.num_text_rows() > 0; }
  // What comes out for the canvases: [num_canvas_rows, D]
  Matrix final_rows() { return pass_.memory.normed(num_canvas_rows()); }

  // Runs all layers. soft_embedding [num_canvas_rows, D] is that of the step before. The observer sees the rows of
  // canvases and texts alike, but after the last layer those of the canvases alone.
  void run(ConstMatrix soft_embedding, const Observer& observer = {});

 private:
  void add_text(const EncodeRequest& text, std::vector<int32_t>& ids);
  void embed_canvases(ConstMatrix soft_embedding);
  void embed_texts();

  const PassContext& pass_;
  std::span<const DenoiseRequest> canvases_;
  Batch batch_;
  Staged<int32_t> ids_;
};

}  // namespace gesso::model
