// A number that tells whether two models write the same keys and values.
#pragma once

#include <cstdint>
#include <vector>

#include "gesso/config.h"
#include "io/gguf.h"

namespace gesso {

// Hashes the configuration, and of each tensor its name, its type, its shape and bytes. Of a model whose tensors have
// up to 256 MiB these are all bytes, so any change is noticed. Of a larger one they are the first 4 KiB of every 4 MiB
// of each tensor and its last 4 KiB: about 20 MB of 17 GB. A fine-tune changes them; a change of single bytes may lie
// between them. The order of the tensors does not count, and so a split file is the same model as the file that it was
// split from. The hash is the same on every machine.
uint64_t model_hash(const ModelConfig& config, const std::vector<io::NamedTensor>& tensors);

}  // namespace gesso
