// A file mapped read-only into memory.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace gesso::io {

// Owns the mapping; the bytes stay valid for its lifetime. The file must not be truncated meanwhile.
class MappedFile {
 public:
  // IoError naming path and cause when the path is missing, a directory, unreadable or cannot be mapped.
  // An empty file maps to an empty span.
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
