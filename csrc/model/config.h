// From metadata to ModelConfig.
#pragma once

#include "gesso/config.h"
#include "io/gguf.h"

namespace gesso::model {

// Reads everything but `generation`, which diffusion/defaults.h reads. Accepts the architectures "diffusion-gemma",
// "diffusion-gemma4" and "diffusiongemma" (whose names prefix their keys). Every field is checked; the FormatError
// names the key, what was expected and what came.
ModelConfig read_config(const io::GgufFile& file);

}  // namespace gesso::model
