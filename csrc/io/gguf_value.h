// The values of GGUF's metadata keys.
#pragma once

#include "io/gguf_reader.h"
#include "io/metadata.h"

namespace gesso::io {

// Reads a value and the type in front of it: u32 value type, value. Views in the result point into the reader's bytes.
MetadataValue read_value(GgufReader& reader);

}  // namespace gesso::io
