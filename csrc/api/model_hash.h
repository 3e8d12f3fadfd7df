// A number that tells whether two models write the same keys and values.
#pragma once

#include <cstdint>
#include <vector>

#include "gesso/config.h"
#include "io/gguf.h"

namespace gesso {

// Hashes the configuration, and of each tensor its name, its type, its shape and samples of its bytes: at most 8 pieces
// of 512 bytes. So it reads about 3 MB of a checkpoint with 700 tensors. The order of the tensors does not count, and
// so a split file is the same model as the file that it was split from.
uint64_t model_hash(const ModelConfig& config, const std::vector<io::NamedTensor>& tensors);

}  // namespace gesso
