#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "gesso/error.h"
#include "io/file_bytes.h"

namespace gesso::io {
namespace {

constexpr FileAccess kBoth[] = {FileAccess::kMap, FileAccess::kRead};

// A path in the temporary folder. What is there is removed when the test ends.
struct TemporaryPath {
  std::string path = "/tmp/gesso_test_bytes_" + std::to_string(::getpid());
  ~TemporaryPath() { std::remove(path.c_str()); }

  void write(const std::string& content) const {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    REQUIRE(file != nullptr);
    std::fwrite(content.data(), 1, content.size(), file);
    std::fclose(file);
  }
};

int error_number_of(const std::string& path, const std::string& message) {
  int number = 0;
  for (const FileAccess access : kBoth) {
    try {
      FileBytes file(path, access);
      return 0;
    } catch (const IoError& error) {
      CHECK(std::string(error.what()) == message);
      number = error.error_number;
    }
  }
  return number;
}

bool ends_with(const FileBytes& file, const std::string& end) {
  return std::memcmp(file.bytes().data() + file.bytes().size() - end.size(), end.data(), end.size()) == 0;
}

TEST_CASE("a file's bytes are mapped or read") {
  const TemporaryPath temporary;
  temporary.write(std::string(5000, 'x') + "end");
  for (const FileAccess access : kBoth) {
    const FileBytes file(temporary.path, access);
    REQUIRE(file.bytes().size() == 5003);
    CHECK(ends_with(file, "xend"));
    CHECK(reinterpret_cast<uintptr_t>(file.bytes().data()) % 4096 == 0);
    CHECK(file.path() == temporary.path);
  }
}

TEST_CASE("an empty file gives an empty span") {
  const TemporaryPath temporary;
  temporary.write("");
  for (const FileAccess access : kBoth) CHECK(FileBytes(temporary.path, access).bytes().empty());
}

TEST_CASE("what is no regular file is an IoError that says what it is") {
  CHECK(error_number_of("/tmp/gesso_no_such_file", "cannot open /tmp/gesso_no_such_file: No such file or directory") ==
        ENOENT);
  CHECK(error_number_of("/tmp", "cannot read /tmp: expected a regular file, got a folder") == EISDIR);
  CHECK(error_number_of("/dev/null", "cannot read /dev/null: expected a regular file, got a device") == ENODEV);
  const TemporaryPath special;
  REQUIRE(::mkfifo(special.path.c_str(), 0600) == 0);
  // Opening the pipe does not wait for a writer.
  CHECK(error_number_of(special.path, "cannot read " + special.path + ": expected a regular file, got a pipe") ==
        ENODEV);
  std::remove(special.path.c_str());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, special.path.c_str(), sizeof address.sun_path - 1);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK(error_number_of(special.path, "cannot read " + special.path + ": expected a regular file, got a socket") ==
        ENODEV);
  ::close(socket);
}

TEST_CASE("a path that cannot be one is an ArgumentError") {
  const TemporaryPath temporary;
  temporary.write("x");
  // The system would end the path at the NUL, and open the file.
  CHECK_THROWS_WITH_AS(FileBytes(temporary.path + std::string("\0y", 2)),
                       ("path: expected no NUL character, got \"" + temporary.path + "\\x00y\"").c_str(),
                       ArgumentError);
  CHECK_THROWS_WITH_AS(FileBytes(""), doctest::Contains("path: expected the name of a file"), ArgumentError);
  CHECK(error_number_of("/tmp/" + std::string(300, 'x'),
                        "cannot open /tmp/" + std::string(300, 'x') + ": File name too long") == ENAMETOOLONG);
}

TEST_CASE("a file that was read does not need its file any more") {
  const TemporaryPath temporary;
  temporary.write(std::string(100000, 'x') + "end");
  const FileBytes file(temporary.path, FileAccess::kRead);
  REQUIRE(::truncate(temporary.path.c_str(), 0) == 0);
  file.release(file.bytes());  // does nothing: there is no file behind these pages
  CHECK(ends_with(file, "xend"));
}

TEST_CASE("a file that becomes shorter while it is read is an IoError") {
  const TemporaryPath temporary;
  temporary.write(std::string(5000, 'x'));
  // The function is called before each piece is read, and after the file's size was asked for.
  const auto cut = [&] {
    REQUIRE(::truncate(temporary.path.c_str(), 10) == 0);
    return false;
  };
  CHECK_THROWS_WITH_AS(FileBytes(temporary.path, FileAccess::kRead, cut),
                       ("cannot read " + temporary.path + ": it became shorter, expected 5000 bytes, got 10").c_str(),
                       IoError);
}

TEST_CASE("a file that gets another's name while it is read is not mixed with it") {
  const TemporaryPath temporary;
  temporary.write(std::string(5000, 'x') + "end");
  const auto replace = [&] {
    std::remove(temporary.path.c_str());
    temporary.write("other");
    return false;
  };
  const FileBytes file(temporary.path, FileAccess::kRead, replace);
  REQUIRE(file.bytes().size() == 5003);
  CHECK(ends_with(file, "xend"));
}

TEST_CASE("reading can be interrupted, and refuses what memory cannot hold") {
  const TemporaryPath temporary;
  temporary.write("x");
  CHECK_THROWS_AS(FileBytes(temporary.path, FileAccess::kRead, [] { return true; }), Interrupted);
  REQUIRE(::truncate(temporary.path.c_str(), off_t{1} << 42) == 0);  // a hole of 4 TB
  CHECK_THROWS_WITH_AS(FileBytes(temporary.path, FileAccess::kRead), doctest::Contains("needs 4398046511104 bytes"),
                       OutOfMemory);
}

TEST_CASE("released pages of a mapped file are loaded again") {
  const TemporaryPath temporary;
  temporary.write(std::string(100000, 'x') + "end");
  const FileBytes file(temporary.path);
  CHECK(ends_with(file, "xend"));
  file.release(file.bytes().subspan(50000, 50003));
  CHECK(ends_with(file, "xend"));
  const std::string other(100000, 'y');
  file.release(std::as_bytes(std::span(other)));  // does nothing: these bytes are not the file's
  CHECK(other.back() == 'y');
}

}  // namespace
}  // namespace gesso::io
