// MappedFile: a file that is mapped read-only into memory.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace gesso::io {

// Owns the mapping: the bytes are valid as long as the object lives. Nobody may truncate the file during that time.
class MappedFile {
 public:
  // Throws an IoError that names the path and the cause when the path does not exist, is a directory, cannot be read or
  // cannot be mapped. An empty file gives an empty span.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace gesso::io
