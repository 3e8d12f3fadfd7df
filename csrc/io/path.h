// What every path must be.
#pragma once

#include <string>

#include "core/check.h"
#include "io/metadata.h"

namespace gesso::io {

// Throws an ArgumentError for a path that is empty or holds a NUL.
inline void check_path(const std::string& path) {
  check(!path.empty(), "path: expected the name of a file, got an empty text");
  // Without io:: this would be std::quoted where <filesystem> is included, since the argument is of std.
  check(path.find('\0') == std::string::npos, "path: expected no NUL character, got ", io::quoted(path));
}

}  // namespace gesso::io
