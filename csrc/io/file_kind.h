// Recognises files that people give in place of a GGUF file, for error messages.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace gesso::io {

// Says what a file is whose first bytes these are, and what to do about it: "a Git LFS pointer: `git lfs pull` ...".
// A few hundred bytes are enough. It is empty for content that it does not know, and for GGUF.
std::string_view file_kind(std::span<const std::byte> begin);

}  // namespace gesso::io
