// What a checkpoint says about generation: defaults of the options.
#pragma once

#include "gesso/config.h"
#include "io/metadata.h"

namespace gesso::diffusion {

// The keys are those of the option table; what the metadata lack is the reference's. `config` is read already, but for
// `generation`. Every value is checked; the FormatError names the key, what was expected and what came.
GenerationDefaults read_defaults(const io::Metadata& metadata, const ModelConfig& config);

}  // namespace gesso::diffusion
