// Writes GGUF files, tensor by tensor. A file gets its name only when it is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gesso/checkpoint.h"
#include "gesso/export.h"

namespace gesso {

struct GgufKey {
  std::string key;
  std::vector<std::byte> value;  // as files store it: its type (u32), then the value
};

struct GgufTensor {
  std::string name;
  std::string type;            // ggml's name: "Q4_K"
  std::vector<int64_t> shape;  // outermost first
};

// The metadata of a file as they are stored, for a new file with the same model. What describes the old file itself is
// left out: how its tensors are aligned, and which part of a split file it is. FormatError for a checkpoint that was
// put together by hand.
GESSO_API std::vector<GgufKey> copied_metadata(const Checkpoint& checkpoint);

// What a GGUF file (version 3) has in front of its tensors' bytes: header, metadata, directory, padding. Behind it come
// the bytes of each tensor in this order, each padded with zeros to a multiple of general.alignment, or of 32 bytes
// without that key. general.architecture comes first, and then general.quantization_version, which is 2 whatever `keys`
// says. FormatError for keys and tensors that Checkpoint::open would refuse, and without general.architecture.
GESSO_API std::vector<std::byte> gguf_head(std::span<const GgufKey> keys, std::span<const GgufTensor> tensors);

// A file that is being written. It lies beside its place under another name. If the object ends before finish(), the
// file is removed, and what was at `path` stays. If the process is killed, the file with the other name stays. Threads:
// one call at a time.
class GESSO_API GgufWriter {
 public:
  // Writes what comes before the tensors. FormatError as gguf_head(). IoError if a file cannot be made there, if it
  // would not fit on the disk, and if another file is there that is neither empty nor begins as a GGUF file does, since
  // then the name is probably a mistake. ArgumentError for a path that is empty or holds a NUL.
  GgufWriter(const std::string& path, std::span<const GgufKey> keys, std::span<const GgufTensor> tensors);
  ~GgufWriter();
  GgufWriter(GgufWriter&&) noexcept;
  GgufWriter& operator=(GgufWriter&&) noexcept;

  // Appends to the tensor whose turn it is. Bytes of the next one may follow in the same call, without padding.
  // ArgumentError for more bytes than the tensors have. IoError.
  void write(std::span<const std::byte> bytes);
  // Gives the file its name, in place of a GGUF file that has it. ArgumentError, which names the tensor, if bytes are
  // missing. IoError.
  void finish();

 private:
  struct GESSO_HIDDEN Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gesso
