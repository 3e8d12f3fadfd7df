// InputFile: a regular file that is open for reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace gesso::platform {

// Whether there is a file, a folder or anything else at a path that this process can see.
bool exists(const std::string& path);

class InputFile {
 public:
  // All functions throw an IoError that names the path and the cause. The constructor does so when the path does not
  // exist, cannot be opened, or is no regular file (a folder, a pipe, a socket, a device). Opening a pipe never waits.
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // How long the file was when it was opened.
  size_t num_bytes() const { return num_bytes_; }
  // Reads at most as many bytes as `out` has room for. Returns how many, 0 at the end of the file.
  size_t read(std::span<std::byte> out, size_t offset) const;
  // Maps the whole file, which is not empty, read-only. The mapping stays valid without the object; unmap() in memory.h
  // ends it.
  std::byte* map() const;

 private:
  std::string path_;
  intptr_t file_;  // as the system names an open file
  size_t num_bytes_ = 0;
};

}  // namespace gesso::platform
