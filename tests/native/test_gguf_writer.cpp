// Writing GGUF files: what is written can be read, and what is wrong is refused before anything is written.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "folder.h"
#include "gesso/error.h"
#include "gesso/gguf_writer.h"
#include "gguf_builder.h"

namespace gesso {
namespace {

namespace fs = std::filesystem;
using test::Bytes;
using test::Folder;

GgufKey text_key(const std::string& key, const std::string& text) {
  return {key, Bytes().u32(test::kString).string(text).get()};
}
GgufKey u32_key(const std::string& key, uint32_t value) { return {key, Bytes().u32(test::kU32).u32(value).get()}; }

const GgufKey kArchitecture = text_key("general.architecture", "test");
const std::vector<GgufTensor> kTensors = {{"one", "F32", {3, 2}}, {"two", "Q8_0", {32}}};

std::vector<std::byte> counting(size_t size) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<std::byte>(i));
  return bytes;
}

std::string refusal(const std::vector<GgufKey>& keys, const std::vector<GgufTensor>& tensors) {
  try {
    gguf_head(keys, tensors);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("a file that was written can be read") {
  const Folder folder;
  const std::vector<std::byte> bytes = counting(24 + 34);
  GgufWriter writer(folder.file(), std::vector{u32_key("a", 7), kArchitecture, u32_key("general.alignment", 64)},
                    kTensors);
  writer.write(std::span(bytes).first(10));
  writer.write(std::span(bytes).subspan(10));  // the rest of one tensor, and the next
  CHECK_FALSE(fs::exists(folder.file()));
  writer.finish();
  CHECK(folder.num_files() == 1);
  const Checkpoint read = Checkpoint::open(folder.file());
  CHECK(read.keys() ==
        std::vector<std::string>{"general.architecture", "general.quantization_version", "a", "general.alignment"});
  CHECK(std::get<int64_t>(read.value("a")) == 7);
  CHECK(std::get<int64_t>(read.value("general.quantization_version")) == 2);
  const std::vector<Checkpoint::TensorInfo> infos = read.tensors();
  REQUIRE(infos.size() == 2);
  CHECK(infos[0].shape == std::vector<int64_t>{3, 2});
  CHECK(infos[1].type == "Q8_0");
  CHECK(infos[1].offset == infos[0].offset + 64);
  CHECK(std::equal(infos[0].data, infos[0].data + 24, bytes.begin()));
  CHECK(std::equal(infos[1].data, infos[1].data + 34, bytes.begin() + 24));
  const std::vector<GgufKey> copied = copied_metadata(read);
  REQUIRE(copied.size() == 3);  // without the alignment
  CHECK(copied[2].value == u32_key("a", 7).value);
}

TEST_CASE("others may read a file that was written as they may read other files") {
  const Folder folder;
  const mode_t before = ::umask(0027);
  GgufWriter(folder.file(), std::vector{kArchitecture}, {}).finish();
  ::umask(before);
  struct stat status {};
  REQUIRE(::stat(folder.file().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0640);
}

TEST_CASE("nothing stays of a file that is not finished") {
  const Folder folder;
  std::ofstream(folder.file()) << "GGUF precious";
  {
    GgufWriter writer(folder.file(), std::vector{kArchitecture}, kTensors);
    CHECK(folder.num_files() == 2);
    writer.write(counting(24));
    CHECK_THROWS_WITH_AS(writer.finish(), "finish: tensor two: expected 34 bytes, got 0", ArgumentError);
    CHECK_THROWS_AS(writer.write(counting(35)), ArgumentError);
  }
  CHECK(folder.num_files() == 1);
  CHECK(fs::file_size(folder.file()) == 13);
}

TEST_CASE("only GGUF files are overwritten") {
  const Folder folder;
  const auto write = [&](const std::string& path) { GgufWriter(path, std::vector{kArchitecture}, {}).finish(); };
  for (const char* content : {"", "GGUF"}) {
    std::ofstream(folder.file()) << content;
    write(folder.file());
  }
  std::ofstream(folder.file()) << "a text";
  CHECK_THROWS_WITH_AS(write(folder.file()),
                       (folder.file() + ": exists and is no GGUF file; it is not overwritten").c_str(), IoError);
  CHECK_THROWS_AS(write(folder.path.string()), IoError);
  CHECK_THROWS_AS(write((folder.path / "missing" / "a.gguf").string()), IoError);
  CHECK_THROWS_AS(write("/dev/null"), IoError);
  CHECK_THROWS_AS(write(""), ArgumentError);
  CHECK_THROWS_AS(write(std::string("a\0b", 3)), ArgumentError);
  CHECK(folder.num_files() == 1);
}

TEST_CASE("what could not be read is not written") {
  const std::vector<GgufKey> keys = {kArchitecture};
  CHECK(refusal(keys, kTensors).empty());
  CHECK(contains(refusal({}, {}), "missing key general.architecture"));
  CHECK(contains(refusal({kArchitecture, kArchitecture}, {}), "duplicate key"));
  CHECK(contains(refusal({kArchitecture, u32_key("", 1)}, {}), "length"));
  CHECK(contains(refusal({kArchitecture, u32_key("general.alignment", 12)}, {}), "power of two"));
  CHECK(contains(refusal({kArchitecture, {"a", {}}}, {}), "\"a\""));
  CHECK(contains(refusal({kArchitecture, {"a", Bytes().u32(99).get()}}, {}), "expected 0 to 12, got 99"));
  // A value with the next key inside it: as many keys as were given could be read.
  GgufKey two = u32_key("a", 1);
  const Bytes next = Bytes().string("b").u32(test::kU32).u32(2);
  two.value.insert(two.value.end(), next.get().begin(), next.get().end());
  CHECK(contains(refusal({kArchitecture, two}, {}), "\"a\": expected one value, got 25 bytes"));

  CHECK(contains(refusal(keys, {{"x", "F32", {1}}, {"x", "F32", {1}}}), "\"x\" is there twice"));
  CHECK(contains(refusal(keys, {{"", "F32", {1}}}), "expected a name of 1 to 65536 bytes, got 0"));
  CHECK(contains(refusal(keys, {{"x", "Q9_Z", {1}}}), "x: unknown type Q9_Z"));
  CHECK(contains(refusal(keys, {{"x", "F32", {}}}), "rank 1 to 4, got 0"));
  CHECK(contains(refusal(keys, {{"x", "F32", {2, 0}}}), "at least 1, got 0"));
  CHECK(contains(refusal(keys, {{"x", "Q8_0", {33}}}), "no whole number of Q8_0 blocks"));
  const int64_t large = int64_t{1} << 32;
  CHECK(contains(refusal(keys, {{"x", "F32", {large, large}}}), "overflow"));
  CHECK(contains(refusal(keys, {{"x", "I8", {large, large / 2}}}), "2^63"));
  const std::vector<GgufTensor> many = {{"x", "I8", {large, large / 4}},
                                        {"y", "I8", {large, large / 4}},
                                        {"z", "I8", {large, large / 4}},
                                        {"w", "I8", {large, large / 4}}};
  CHECK(contains(refusal(keys, many), "overflow 64 bits"));
}

TEST_CASE("a file that the disk cannot hold is refused before its tensors come") {
  const Folder folder;
  const int64_t large = int64_t{1} << 31;
  CHECK_THROWS_AS(
      GgufWriter(folder.file(), std::vector{kArchitecture}, std::vector<GgufTensor>{{"x", "I8", {large, large}}}),
      IoError);
  CHECK(folder.num_files() == 0);
}

TEST_CASE("after a write that failed the file is not finished") {
  const Folder folder;
  const std::vector<std::byte> bytes = counting(1 << 16);
  GgufWriter writer(folder.file(), std::vector{kArchitecture}, std::vector<GgufTensor>{{"x", "I8", {1 << 16}}});
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small = {1 << 12, before.rlim_max};  // the head and a part of the tensor
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  CHECK_THROWS_AS(writer.write(bytes), IoError);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK_THROWS_AS(writer.write(bytes), IoError);
  CHECK_THROWS_AS(writer.finish(), IoError);
}

}  // namespace
}  // namespace gesso
