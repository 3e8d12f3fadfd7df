// What a stored tensor's name, type and shape say about its bytes, for tensors that a caller describes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace gesso::io {

// A tensor without data. Throws a FormatError that names the tensor for an unknown type, a rank outside 1..4, an extent
// below 1, a row of partial blocks, and sizes beyond 64 bits.
Tensor tensor_layout(const std::string& name, const std::string& type, const std::vector<int64_t>& shape);

}  // namespace gesso::io
