// What is wrong with a path, or with the file behind it.
#pragma once

#include <cstring>
#include <string>

#include "core/check.h"
#include "io/metadata.h"

namespace gesso::io {

// Throws an ArgumentError for a path that is empty or holds a NUL.
inline void check_path(const std::string& path) {
  check(!path.empty(), "path: expected the name of a file, got an empty text");
  check(path.find('\0') == std::string::npos, "path: expected no NUL character, got ", quoted(path));
}

// The system refused to do something with the file. `action` is a verb, for example "open"; error_number is errno.
[[noreturn]] inline void fail_on(const std::string& path, const char* action, int error_number) {
  throw IoError(concat("cannot ", action, " ", path, ": ", std::strerror(error_number)), error_number);
}

}  // namespace gesso::io
