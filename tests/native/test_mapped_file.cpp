#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "gesso/error.h"
#include "io/mapped_file.h"

namespace gesso::io {
namespace {

// A path in the temporary folder. What is there is removed when the test ends.
struct TemporaryPath {
  std::string path = "/tmp/gesso_test_map_" + std::to_string(::getpid());
  ~TemporaryPath() { std::remove(path.c_str()); }

  void write(const std::string& content) const {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    REQUIRE(file != nullptr);
    std::fwrite(content.data(), 1, content.size(), file);
    std::fclose(file);
  }
};

int error_number_of(const std::string& path) {
  try {
    MappedFile file(path);
  } catch (const IoError& error) {
    CHECK(std::string(error.what()).find(path) != std::string::npos);
    return error.error_number;
  }
  return 0;
}

TEST_CASE("a file's bytes are mapped") {
  const TemporaryPath temporary;
  temporary.write(std::string(5000, 'x') + "end");
  const MappedFile file(temporary.path);
  REQUIRE(file.bytes().size() == 5003);
  CHECK(std::memcmp(file.bytes().data() + 4999, "xend", 4) == 0);
}

TEST_CASE("an empty file maps to an empty span") {
  const TemporaryPath temporary;
  temporary.write("");
  CHECK(MappedFile(temporary.path).bytes().empty());
}

TEST_CASE("what cannot be mapped is an IoError with its errno") {
  CHECK(error_number_of("/tmp/gesso_no_such_file") == ENOENT);
  CHECK(error_number_of("/tmp") == EISDIR);
  CHECK(error_number_of("/dev/null") == ENODEV);
  const TemporaryPath fifo;
  REQUIRE(::mkfifo(fifo.path.c_str(), 0600) == 0);
  CHECK(error_number_of(fifo.path) == ENODEV);  // opening the FIFO does not wait for a writer
}

}  // namespace
}  // namespace gesso::io
