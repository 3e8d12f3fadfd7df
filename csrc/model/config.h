// Reads a ModelConfig from metadata.
#pragma once

#include "gesso/config.h"
#include "io/gguf.h"

namespace gesso::model {

// Reads everything but `generation`, which diffusion/defaults.h reads. It accepts the architectures "diffusion-gemma",
// "diffusion-gemma4" and "diffusiongemma"; the keys of a file begin with its architecture's name. Every field is
// checked. The FormatError names the key, what was expected and what came.
ModelConfig read_config(const io::GgufFile& file);

}  // namespace gesso::model
