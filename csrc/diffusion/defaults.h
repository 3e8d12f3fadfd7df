// Reads what a checkpoint says about generation: the defaults of the options.
#pragma once

#include "gesso/config.h"
#include "io/metadata.h"

namespace gesso::diffusion {

// The option table has the keys. A default that the metadata lack is the reference's. All of `config` but `generation`
// must have been read. Every value is checked; the FormatError names the key, what was expected and what came.
GenerationDefaults read_defaults(const io::Metadata& metadata, const ModelConfig& config);

}  // namespace gesso::diffusion
