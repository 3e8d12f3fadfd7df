// FileBytes: the bytes of a regular file, mapped into memory or read into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gesso::io {

// How a file's bytes come into memory.
//   kMap   The file is mapped read-only. This takes no time and no memory of its own. Nobody may change the file while
//          the object lives: where it was cut off, the system ends the process with SIGBUS, and where it was written
//          to, the bytes change.
//   kRead  The file is read once and takes as much memory as it is long. Whatever happens to it later changes nothing.
enum class FileAccess { kMap, kRead };

// Owns the memory: the bytes are valid as long as the object lives. They begin at the start of a page.
class FileBytes {
 public:
  // Throws an ArgumentError for a path that is empty or holds a NUL. Throws an IoError that names the path and the
  // cause when the path does not exist, is no regular file (a folder, a pipe, a socket, a device), cannot be read or
  // mapped, or becomes shorter while it is read. Opening a pipe never waits. Throws an OutOfMemory when a file is to be
  // read that is larger than the memory that is free, and Interrupted when `interrupted` returns true while it is read.
  // An empty file gives an empty span. While a file is read, `progress` is called with the bytes that have come and the
  // bytes in all.
  explicit FileBytes(const std::string& path, FileAccess access = FileAccess::kMap,
                     const std::function<bool()>& interrupted = {},
                     const std::function<void(int64_t, int64_t)>& progress = {});
  ~FileBytes();
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Gives back the memory that reading a mapped range has filled. Whoever reads the range again loads it again. Nothing
  // happens if the range is not within a mapped file.
  void release(std::span<const std::byte> range) const;

 private:
  std::string path_;
  FileAccess access_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The first bytes of a regular file, at most max_bytes, and how long all of it is. Throws what FileBytes throws.
struct FileHead {
  std::vector<std::byte> bytes;
  size_t file_bytes = 0;
};
FileHead read_head(const std::string& path, size_t max_bytes);

// Throws IoError, with EEXIST, where there is a file that a mistyped path would cost somebody: it is not empty, and it
// does not begin with `magic`. kind: what begins so, for example "GGUF file". Others see to what is no regular file.
void check_overwritable(const std::string& path, std::string_view magic, const char* kind);

}  // namespace gesso::io
