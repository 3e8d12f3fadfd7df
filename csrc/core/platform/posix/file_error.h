// Errors of files, as POSIX tells them.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "core/check.h"

namespace gesso::platform {

// The system refused to do something with the file. `action` is a verb, for example "open"; error_number is errno.
[[noreturn]] inline void fail_on(const std::string& path, const char* action, int error_number) {
  throw IoError(concat("cannot ", action, " ", path, ": ", std::strerror(error_number)), error_number);
}

// What a file is that holds no bytes of its own; nullptr for a regular file.
inline const char* special_kind(mode_t mode) {
  if (S_ISREG(mode)) return nullptr;
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// Throws unless a file with this mode is a regular one. `action` is "read" or "write".
inline void check_regular(const std::string& path, const char* action, mode_t mode) {
  const char* kind = special_kind(mode);
  if (!kind) return;
  throw IoError(concat("cannot ", action, " ", path, ": expected a regular file, got ", kind),
                S_ISDIR(mode) ? EISDIR : ENODEV);
}

}  // namespace gesso::platform
