// What a Model shares between its copies.
#pragma once

#include <algorithm>

#include "core/context.h"
#include "gesso/model.h"
#include "io/gguf.h"
#include "model/activations.h"
#include "model/weights.h"

namespace gesso {

// Rows of one pass: enough to use decoded weights many times over, few enough that scratch memory stays small whatever
// the batch.
inline int64_t rows_per_pass(const ModelConfig& config) {
  constexpr int64_t kRowsPerPass = 256;
  return std::max(kRowsPerPass, config.canvas_length);
}

struct Model::Impl {
  ModelConfig config;
  model::Weights weights;
  std::vector<io::NamedTensor> tensors;  // the checkpoint's, for their names
  std::optional<Tokenizer> tokenizer;
  int num_threads = 1;

  Context context(const std::function<bool()>& interrupted) const { return {num_threads, interrupted}; }
  model::Activations activations() const { return {config, rows_per_pass(config)}; }
};

}  // namespace gesso
