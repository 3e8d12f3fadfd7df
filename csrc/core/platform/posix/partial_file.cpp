#include "core/platform/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <random>
#include <string_view>

#include "core/platform/posix/file_error.h"

namespace gesso::platform {
namespace {

// Makes a file that is not there yet under `path` with something random behind it, and puts the name there. It follows
// no link. Returns its descriptor; -1, with errno, if there is none.
int create_beside(std::string& path, mode_t mode) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  constexpr int kLength = 6, kTries = 100;
  const std::string stem = path + ".";
  std::random_device random;
  for (int i = 0; i < kTries; ++i) {
    path = stem;
    for (int k = 0; k < kLength; ++k) path += kLetters[random() % kLetters.size()];
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

}  // namespace

PartialFile::PartialFile(const std::string& path, Readers readers) : path_(path), partial_(path) {
  // A rename would put a file in place of a device or a pipe: /dev/null, for example, would be gone for everybody.
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) check_regular(path, "write", status.st_mode);
  file_ = create_beside(partial_, readers == Readers::kOwner ? 0600 : 0666);  // the system takes away what umask says
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
