// What every pass over the model needs, whether it encodes or denoises.
#pragma once

#include "core/context.h"
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

}  // namespace gesso::model
