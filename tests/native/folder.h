// A folder for the files of one test, which is removed with them, and what a file holds.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace gesso::test {

struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("gesso_native_" + std::to_string(::getpid()));
  Folder() { std::filesystem::create_directory(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }

  std::string file(const char* name = "a.gguf") const { return (path / name).string(); }
  int64_t num_files() const {
    return std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator());
  }
};

inline std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace gesso::test
