// What every pass over the model needs, whether it encodes or denoises.
#pragma once

#include <cstdint>
#include <functional>

#include "core/context.h"
#include "core/tensor.h"
#include "gesso/config.h"
#include "model/pass_scratch.h"
#include "model/weights.h"

namespace gesso::model {

// The session owns what these references refer to, longer than a call takes.
struct PassContext {
  const Context& context;
  const ModelConfig& config;
  const Weights& weights;
  PassScratch& memory;
  bool exact_soft_embedding = false;  // LoadOptions::exact_soft_embedding
};

// Watches a pass. It is called after each part, with a layer's index or one of the two below, and with the rows [R, D]
// that come out of this part, in the device's memory. An empty function costs a pass nothing.
using Observer = std::function<void(int64_t part, ConstMatrix rows)>;
constexpr int64_t kEmbedding = -1, kFinalNorm = -2;

}  // namespace gesso::model
