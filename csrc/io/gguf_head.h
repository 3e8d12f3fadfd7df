// Writes what a GGUF file has in front of its tensors' bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gesso/gguf_writer.h"

namespace gesso::io {

struct GgufHead {
  std::vector<std::byte> bytes;        // with the padding in front of the first tensor
  std::vector<uint64_t> tensor_bytes;  // of each tensor, without the padding behind it
  uint64_t alignment = 0;
};

// See gesso::gguf_head.
GgufHead make_gguf_head(std::span<const GgufKey> keys, std::span<const GgufTensor> tensors);

inline uint64_t padding_behind(uint64_t num_bytes, uint64_t alignment) {
  return (alignment - num_bytes % alignment) % alignment;
}

}  // namespace gesso::io
