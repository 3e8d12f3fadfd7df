// GGUF: bytes -> metadata + tensor directory. Knows the container, no model.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "io/metadata.h"

namespace gesso::io {

struct NamedTensor {
  std::string name;
  Tensor tensor;        // GGUF's reversed extents are already turned: outermost first
  uint64_t offset = 0;  // of its data in the file
};

// A parsed checkpoint: metadata and tensor views, plus whatever keeps their bytes alive.
struct GgufFile {
  Metadata metadata;
  std::vector<NamedTensor> tensors;   // file order
  std::shared_ptr<const void> owner;  // the mapping, or the caller's buffers
  uint64_t file_bytes = 0;
};

// Parses a whole file in memory. Every count and offset is compared with the bytes left before it is used, so any input
// either parses or throws FormatError (message with byte offset, key or tensor name; never an allocation larger than
// a small multiple of the input). Views in the result point into `bytes`; bytes after the last tensor are ignored.
// Refused: bad magic, versions other than 2 and 3, big endian files, unknown type ids (message lists the known types),
// rank outside 1..4, zero extents, rows that are no whole number of blocks, duplicate names or keys, tensor data
// outside the file or misaligned or overlapping the next, alignment that is no power of two >= 8; also names that are
// empty or longer than 64 KiB, unsigned values beyond int64_t, bools other than 0 and 1, arrays nested over 8 deep.
GgufFile parse_gguf(std::span<const std::byte> bytes);

// Maps the file read-only and parses it; nothing is copied. IoError when it cannot be opened; a FormatError also names
// the path.
GgufFile open_gguf(const std::string& path);

}  // namespace gesso::io
