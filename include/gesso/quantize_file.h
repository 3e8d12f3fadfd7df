// Writes a model to a new file whose weights have other types.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gesso/export.h"
#include "gesso/gguf_writer.h"

namespace gesso {

struct QuantizeFileOptions {
  std::string imatrix = {};  // the path of an importance matrix; empty: every column counts the same
  int num_threads = 0;       // 0: one for each processor. The file does not depend on it
  bool mmap = true;          // how the source is opened, see OpenOptions
  bool dry_run = false;      // write nothing: only say what the file would hold
  // Called after every few MiB with the bytes of tensors that were written, those of all, and the tensor's name.
  std::function<void(uint64_t, uint64_t, const std::string&)> progress = {};
  std::function<bool()> interrupted = {};  // true ends the call by throwing Interrupted; no file is left
};

struct QuantizedTensor {
  GgufTensor tensor;
  std::string source_type;  // the type that it had; empty if it is new: the scale of an NVFP4 matrix
  uint64_t num_bytes = 0;
  bool has_importance = false;
  int64_t num_not_finite = 0;  // values that are NaN or infinite; 0 with dry_run
};

struct QuantizedFile {
  uint64_t source_bytes = 0;  // of all tensors
  uint64_t num_bytes = 0;
  std::vector<QuantizedTensor> tensors;
};

// Reads a GGUF file, or all parts of a split one, and writes the model to `target` with the types of a preset
// (presets.h). The metadata are copied, but for general.file_type. One piece of one tensor is in memory at a time.
// ArgumentError for an unknown preset, for a target that is one of the files to read, and for paths that are empty or
// hold a NUL. FormatError for a file that gesso cannot run, for values that a type cannot hold, and for an importance
// matrix of another model. IoError: what cannot be read, and as GgufWriter. Threads: any number of calls at the same
// time, with a target each.
GESSO_API QuantizedFile quantize_file(const std::string& source, const std::string& target, const std::string& preset,
                                      const QuantizeFileOptions& options = {});

}  // namespace gesso
