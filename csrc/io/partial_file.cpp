#include "io/partial_file.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "io/path_error.h"

namespace gesso::io {

PartialFile::PartialFile(const std::string& path) : path_(path), partial_(path + ".XXXXXX") {
  check_path(path);
  // A rename would put a file in place of a device or a pipe: /dev/null, for example, would be gone for everybody.
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) check_regular(path, "write", status.st_mode);
  fd_ = ::mkstemp(partial_.data());  // follows no link, and replaces the X
  if (fd_ < 0) fail_on(path_, "write", errno);
}

PartialFile::~PartialFile() {
  ::close(fd_);
  if (!is_finished_) ::unlink(partial_.c_str());
}

void PartialFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_on(path_, "write", errno);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
}

void PartialFile::finish() {
  if (::fsync(fd_) != 0 || std::rename(partial_.c_str(), path_.c_str()) != 0) fail_on(path_, "write", errno);
  is_finished_ = true;
}

}  // namespace gesso::io
