// The generation options with every default filled in and every value checked.
#pragma once

#include <cstdint>
#include <vector>

#include "gesso/config.h"
#include "gesso/generation.h"

namespace gesso::diffusion {

struct ResolvedOptions {
  int64_t num_canvases = 1;
  GenerationDefaults settings;
};

// The ArgumentError names the option, what is allowed and what came.
ResolvedOptions resolve_options(const GenerationOptions& options, const ModelConfig& config, int64_t batch_size);

}  // namespace gesso::diffusion
