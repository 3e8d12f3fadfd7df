#include "io/file_bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>

#include "core/check.h"
#include "io/available_memory.h"
#include "io/path_error.h"

namespace gesso::io {
namespace {

constexpr size_t kPieceBytes = size_t{64} << 20;  // so many bytes are read before somebody may interrupt

// An open file. It is closed when the constructor of FileBytes returns; a mapping stays valid without it.
class Descriptor {
 public:
  // With O_NONBLOCK, opening a FIFO that nobody writes to does not wait. For regular files it changes nothing.
  explicit Descriptor(const std::string& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {
    if (fd_ >= 0) return;
    const int error_number = errno;
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0)
      check_regular(path, "read", status.st_mode);  // a socket cannot be opened at all
    fail_on(path, "open", error_number);
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
  if (::fstat(fd, &status) != 0) fail_on(path, "stat", errno);
  check_regular(path, "read", status.st_mode);
  if (static_cast<uint64_t>(status.st_size) > SIZE_MAX) fail_on(path, "map", EFBIG);
  return static_cast<size_t>(status.st_size);
}

std::byte* map_memory(const std::string& path, int fd, size_t size) {
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (address == MAP_FAILED) fail_on(path, "map", errno);
  return static_cast<std::byte*>(address);
}

// Whole pages, so that both kinds of access begin at the start of a page and are freed alike.
std::byte* allocate_pages(const std::string& path, size_t size) {
  const size_t free = available_bytes();
  void* address = MAP_FAILED;
  if (size <= free) address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address != MAP_FAILED) return static_cast<std::byte*>(address);
  throw OutOfMemory(concat("reading ", path, " into memory needs ", size, " bytes, ", free, " bytes are free"), size,
                    free);
}

// Returns how many bytes were read, 0 at the end of the file.
size_t read_some(const std::string& path, int fd, std::span<std::byte> out, size_t offset) {
  ssize_t count = -1;
  do {
    count = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
  } while (count < 0 && errno == EINTR);
  if (count < 0) fail_on(path, "read", errno);
  return static_cast<size_t>(count);
}

void read_all(const std::string& path, int fd, std::span<std::byte> out, const std::function<bool()>& interrupted,
              const std::function<void(int64_t, int64_t)>& progress) {
  for (size_t done = 0; done < out.size();) {
    if (interrupted && interrupted()) throw Interrupted();
    const size_t count = read_some(path, fd, out.subspan(done, std::min(kPieceBytes, out.size() - done)), done);
    if (count == 0) {
      throw IoError(concat("cannot read ", path, ": it became shorter, expected ", out.size(), " bytes, got ", done),
                    EIO);
    }
    done += static_cast<size_t>(count);
    if (progress) progress(static_cast<int64_t>(done), std::ssize(out));
  }
}

}  // namespace

// The constructor does not call madvise, because it does not know which parts of the file will be read. A caller that
// will read all of it uses ReadAhead.
FileBytes::FileBytes(const std::string& path, FileAccess access, const std::function<bool()>& interrupted,
                     const std::function<void(int64_t, int64_t)>& progress)
    : path_(path), access_(access) {
  check_path(path);
  const Descriptor descriptor(path);
  const size_t size = regular_file_bytes(descriptor.get(), path);
  if (size == 0) return;  // mmap refuses a length of 0
  if (access == FileAccess::kMap) {
    data_ = map_memory(path, descriptor.get(), size);
    size_ = size;
    return;
  }
  std::byte* pages = allocate_pages(path, size);
  try {
    read_all(path, descriptor.get(), {pages, size}, interrupted, progress);
  } catch (...) {
    ::munmap(pages, size);
    throw;
  }
  data_ = pages;
  size_ = size;
}

FileBytes::~FileBytes() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void FileBytes::release(std::span<const std::byte> range) const {
  // Pages that were read into memory have no file behind them: giving them back would make them zero.
  if (access_ != FileAccess::kMap || range.empty()) return;
  const std::less_equal<const std::byte*> precedes;
  if (!precedes(data_, range.data()) || !precedes(range.data() + range.size(), data_ + size_)) return;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  // The first page may hold another range's bytes, too. They are loaded again as well.
  const size_t first = static_cast<size_t>(range.data() - data_) / page * page;
  ::madvise(data_ + first, static_cast<size_t>(range.data() + range.size() - data_) - first, MADV_DONTNEED);
}

FileHead read_head(const std::string& path, size_t max_bytes) {
  check_path(path);
  const Descriptor descriptor(path);
  FileHead head = {.bytes = {}, .file_bytes = regular_file_bytes(descriptor.get(), path)};
  head.bytes.resize(std::min(max_bytes, head.file_bytes));
  read_all(path, descriptor.get(), head.bytes, {}, {});
  return head;
}

}  // namespace gesso::io
