// The options of a generation in C, as those of C++.
#pragma once

#include <cstdint>

#include "gesso/config.h"
#include "gesso/generation.h"
#include "gesso/gesso.h"

namespace gesso::c {

// The caller's options, of any version; the defaults for NULL. The result does not need `options` any more.
GenerationOptions to_options(const gesso_options* options, const ModelConfig& config, int64_t batch_size);

}  // namespace gesso::c
