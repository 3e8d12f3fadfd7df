// From metadata to ModelConfig.
#pragma once

#include "gesso/config.h"
#include "io/gguf.h"

namespace gesso::model {

// The only place that knows metadata keys. Accepts the architectures "diffusion-gemma", "diffusion-gemma4" and
// "diffusiongemma" (whose names prefix their keys). Every field is checked; FormatError names key, expected and got.
ModelConfig read_config(const io::GgufFile& file);

}  // namespace gesso::model
