#include "core/platform/input_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/platform/posix/file_error.h"

namespace gesso::platform {
namespace {

// With O_NONBLOCK, opening a FIFO that nobody writes to does not wait. For regular files it changes nothing.
int open_for_reading(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor >= 0) return descriptor;
  const int error_number = errno;
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) check_regular(path, "read", status.st_mode);  // a socket cannot be opened
  fail_on(path, "open", error_number);
}

size_t regular_file_bytes(int descriptor, const std::string& path) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) fail_on(path, "stat", errno);
  check_regular(path, "read", status.st_mode);
  if (static_cast<uint64_t>(status.st_size) > SIZE_MAX) fail_on(path, "map", EFBIG);
  return static_cast<size_t>(status.st_size);
}

}  // namespace

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

InputFile::InputFile(const std::string& path) : path_(path), file_(open_for_reading(path)) {
  try {
    num_bytes_ = regular_file_bytes(static_cast<int>(file_), path);
  } catch (...) {
    ::close(static_cast<int>(file_));
    throw;
  }
}

InputFile::~InputFile() { ::close(static_cast<int>(file_)); }

size_t InputFile::read(std::span<std::byte> out, size_t offset) const {
  ssize_t count = -1;
  do {
    count = ::pread(static_cast<int>(file_), out.data(), out.size(), static_cast<off_t>(offset));
  } while (count < 0 && errno == EINTR);
  if (count < 0) fail_on(path_, "read", errno);
  return static_cast<size_t>(count);
}

std::byte* InputFile::map() const {
  void* address = ::mmap(nullptr, num_bytes_, PROT_READ, MAP_PRIVATE, static_cast<int>(file_), 0);
  if (address == MAP_FAILED) fail_on(path_, "map", errno);
  return static_cast<std::byte*>(address);
}

}  // namespace gesso::platform
