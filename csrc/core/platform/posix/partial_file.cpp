#include "core/platform/partial_file.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/platform/posix/file_error.h"

namespace gesso::platform {

PartialFile::PartialFile(const std::string& path) : path_(path), partial_(path + ".XXXXXX") {
  // A rename would put a file in place of a device or a pipe: /dev/null, for example, would be gone for everybody.
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) check_regular(path, "write", status.st_mode);
  file_ = ::mkstemp(partial_.data());  // follows no link, and replaces the X
  if (file_ < 0) fail_on(path_, "write", errno);
}

PartialFile::~PartialFile() {
  ::close(static_cast<int>(file_));
  if (!is_finished_) ::unlink(partial_.c_str());
}

void PartialFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(static_cast<int>(file_), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_on(path_, "write", errno);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
}

void PartialFile::finish() {
  const bool is_stored = ::fsync(static_cast<int>(file_)) == 0;
  if (!is_stored || std::rename(partial_.c_str(), path_.c_str()) != 0) fail_on(path_, "write", errno);
  is_finished_ = true;
}

}  // namespace gesso::platform
