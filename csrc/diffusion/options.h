// The generation options with every default filled in and every value checked.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "gesso/config.h"
#include "gesso/generation.h"
#include "gesso/tokenizer.h"

namespace gesso::diffusion {

struct ResolvedOptions {
  int64_t num_canvases = 1;
  GenerationDefaults settings;
  std::optional<Tokenizer> tokenizer;  // only where there are stop strings
};

// The ArgumentError names the option, what is allowed and what came. Stop strings need the model's tokenizer.
ResolvedOptions resolve_options(const GenerationOptions& options, const ModelConfig& config, int64_t batch_size,
                                const std::optional<Tokenizer>& tokenizer = std::nullopt);

}  // namespace gesso::diffusion
