// What every pass over the model needs, encoding or denoising.
#pragma once

#include "core/context.h"
#include "gesso/config.h"
#include "model/pass_memory.h"
#include "model/weights.h"

namespace gesso::model {

// References: a session owns what they refer to, for longer than a call takes.
struct PassContext {
  const Context& context;
  const ModelConfig& config;
  const Weights& weights;
  PassMemory& memory;
};

}  // namespace gesso::model
