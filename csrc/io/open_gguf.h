// Opens a GGUF file, and the other parts of one that was split into several files.
#pragma once

#include <functional>
#include <string>

#include "io/file_bytes.h"
#include "io/gguf.h"

namespace gesso::io {

// Maps or reads a GGUF file and parses it; if it is mapped, no tensor data is copied.
//
// The file may be any part of a split one, as llama.cpp's gguf-split writes it. Its keys say so: split.no (the number
// of the part, from 0), split.count and split.tensors.count (of all parts together). The names must end with these
// numbers, as in "-00002-of-00003.gguf", because they lead to the other parts. The metadata is that of part 1. The
// tensors are in the order of the parts.
//
// Throws an IoError when a file cannot be opened, or when a part is missing. A FormatError's message begins with the
// path of the file that is wrong. Apart from what parse_gguf refuses, this is
//   - a part whose name has other numbers than its keys;
//   - a part with another split.count or split.tensors.count than part 1, or with the split.no of another part;
//   - a part with metadata that differs from that of part 1. Parts behind part 1 need none but the keys above;
//   - a tensor that two parts have, and another number of tensors than split.tensors.count.
// `interrupted`, `progress` and what else is thrown: see FileBytes.
GgufFile open_gguf(const std::string& path, FileAccess access = FileAccess::kMap,
                   const std::function<bool()>& interrupted = {},
                   const std::function<void(int64_t, int64_t)>& progress = {});

}  // namespace gesso::io
