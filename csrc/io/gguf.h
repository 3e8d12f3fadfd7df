// Reads GGUF files: bytes -> metadata and tensor directory. This module knows the file format, but no model.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "io/file_bytes.h"
#include "io/metadata.h"

namespace gesso::io {

struct NamedTensor {
  std::string name;
  Tensor tensor;        // its extents are outermost first; GGUF stores them the other way round
  uint64_t offset = 0;  // where the tensor's data begins, in bytes from the start of its file
};

// A parsed checkpoint: metadata, views of the tensors, and `owner`, which keeps the bytes of both alive.
struct GgufFile {
  Metadata metadata;
  std::vector<NamedTensor> tensors;   // in the order of the file
  std::shared_ptr<const void> owner;  // the files, or the caller's buffers
  uint64_t file_bytes = 0;            // of all files
  // The file, or all parts of a split one; empty when the bytes were in memory before they were parsed.
  std::vector<std::shared_ptr<const FileBytes>> files = {};
};

// Parses a whole file that lies in memory. Views in the result point into `bytes`. Every count and offset is compared
// with the number of bytes left before it is used. So for any input the function either succeeds or throws a
// FormatError, and it never allocates more than a small multiple of the input's size. The error's message has the byte
// offset and the key or tensor. Bytes after the last tensor are ignored. `interrupted` is polled meanwhile; true ends
// the call by throwing Interrupted. The function refuses:
//   - the wrong magic, versions other than 2 and 3, big endian files;
//   - more keys, tensors, or strings in arrays than limits.h allows;
//   - names and keys that are empty, longer than 64 KiB or used twice;
//   - unsigned values above the largest int64_t, bools other than 0 and 1, arrays nested more than 8 deep;
//   - an alignment that is not a power of two or is below 8;
//   - unknown tensor types (the message lists the known ones), ranks outside 1..4, extents of 0, rows that are not a
//     whole number of blocks;
//   - tensor data that is outside the file, misaligned, or overlaps another tensor's data.
GgufFile parse_gguf(std::span<const std::byte> bytes, const std::function<bool()>& interrupted = {});

}  // namespace gesso::io
