#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "core/check.h"

namespace gesso::io {
namespace {

[[noreturn]] void fail(const std::string& path, const char* action, int error_number) {
  throw IoError(concat("cannot ", action, " ", path, ": ", std::strerror(error_number)), error_number);
}

// An open file. It is closed when the constructor of MappedFile returns; the mapping stays valid without it.
class Descriptor {
 public:
  // With O_NONBLOCK, opening a FIFO that nobody writes to does not hang. For regular files it changes nothing.
  explicit Descriptor(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (fd_ < 0) fail(path, "open", errno);
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }

 private:
  int fd_;
};

size_t regular_file_bytes(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) fail(path, "stat", errno);
  if (S_ISDIR(status.st_mode)) fail(path, "map", EISDIR);
  if (!S_ISREG(status.st_mode)) fail(path, "map (no regular file)", ENODEV);
  if (static_cast<uint64_t>(status.st_size) > SIZE_MAX) fail(path, "map", EFBIG);
  return static_cast<size_t>(status.st_size);
}

}  // namespace

// The constructor does not call madvise, because it does not know which parts of the file will be read. A caller that
// will read all of it uses ReadAhead.
MappedFile::MappedFile(const std::string& path) {
  const Descriptor descriptor(path);
  size_ = regular_file_bytes(descriptor.get(), path);
  if (size_ == 0) return;  // mmap refuses a length of 0
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
  if (address == MAP_FAILED) fail(path, "map", errno);
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace gesso::io
