#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gesso/error.h"
#include "gguf_builder.h"
#include "io/open_gguf.h"
#include "io/part_name.h"

namespace gesso::test {
namespace {

namespace fs = std::filesystem;
using io::GgufFile;

// A folder that is removed when the test ends.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("gesso_test_parts_" + std::to_string(::getpid()));
  Folder() {
    fs::remove_all(path);
    fs::create_directory(path);
  }
  ~Folder() { fs::remove_all(path); }

  std::string file(const std::string& name) const { return (path / name).string(); }
  std::string write(const std::string& name, const GgufBuilder& builder) const {
    const std::vector<std::byte> bytes = builder.build();
    std::ofstream(path / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return file(name);
  }
};

std::string part_name(int64_t number, int64_t count = 3) { return "m" + io::part_ending(number, count); }

GgufBuilder split_keys(int64_t index, int64_t count = 3, int64_t num_tensors = 4) {
  return GgufBuilder()
      .number("split.no", kU16, static_cast<uint16_t>(index))
      .number("split.count", kU16, static_cast<uint16_t>(count))
      .number("split.tensors.count", kI32, static_cast<int32_t>(num_tensors));
}

// Part 1 has the metadata, and part 2 no tensor. There are four tensors: a, b, c, d.
GgufBuilder part(int64_t index) {
  GgufBuilder builder = split_keys(index);
  if (index == 0) builder.text("general.name", "whole").tensor("a", {1}, DType::kF32, "aaaa");
  if (index == 2) builder.tensor("b", {1}, DType::kF32, "bbbb").tensor("c", {2}, DType::kF16, "cccc");
  if (index == 2) builder.tensor("d", {1}, DType::kF32, "dddd");
  return builder;
}

void write_parts(const Folder& folder) {
  for (int64_t i = 0; i < 3; ++i) folder.write(part_name(i + 1), part(i));
}

std::string content(const GgufFile& file) {
  std::string text;
  for (const io::NamedTensor& named : file.tensors) {
    text +=
        named.name + "=" +
        std::string(reinterpret_cast<const char*>(named.tensor.data), static_cast<size_t>(named.tensor.num_bytes())) +
        " ";
  }
  return text;
}

std::string error_of(const std::string& path) {
  try {
    io::open_gguf(path);
  } catch (const FormatError& error) {
    return error.what();
  } catch (const IoError& error) {
    CHECK(error.error_number == ENOENT);
    return error.what();
  }
  return "no error";
}

TEST_CASE("open_gguf maps a file, keeps the mapping alive and names the path in errors") {
  const Folder folder;
  const std::string path = folder.write("x.gguf", GgufBuilder().tensor("a", {1}, DType::kF32, "aaaa"));
  const GgufFile file = io::open_gguf(path);
  CHECK(file.owner != nullptr);
  fs::remove(path);
  CHECK(content(file) == "a=aaaa ");
  CHECK_THROWS_AS(io::open_gguf(path), IoError);
  std::ofstream(path).flush();
  CHECK(error_of(path) ==
        path + ": GGUF byte 0, header: magic: expected \"GGUF\", got an empty file: the download did not begin");
}

TEST_CASE("names of parts") {
  const auto found = io::parse_part_name("/a/Model-00002-OF-00013.GGUF");
  REQUIRE(found);
  CHECK(found->number == 2);
  CHECK(found->count == 13);
  CHECK(io::part_path("/a/Model-00002-OF-00013.GGUF", 11) == "/a/Model-00011-OF-00013.GGUF");
  CHECK(io::part_path("/a-00001-of-00009.gguf/m-00002-of-00003.gguf", 3) ==
        "/a-00001-of-00009.gguf/m-00003-of-00003.gguf");
  for (const char* other : {"", "m.gguf", "m-0002-of-00003.gguf", "m-00002-of-00003.gguf.partial",
                            "00002-of-00003.gguf", "m-00002-of-0000x.gguf", "m_00002-of-00003.gguf"}) {
    CHECK(!io::parse_part_name(other));
  }
}

TEST_CASE("a split file opens by any of its parts") {
  const Folder folder;
  write_parts(folder);
  for (const io::FileAccess access : {io::FileAccess::kMap, io::FileAccess::kRead}) {
    for (int64_t number = 1; number <= 3; ++number) {
      const GgufFile file = io::open_gguf(folder.file(part_name(number)), access);
      CHECK(content(file) == "a=aaaa b=bbbb c=cccc d=dddd ");
      CHECK(file.metadata.get_string("general.name") == "whole");
      CHECK(file.file_bytes == part(0).build().size() + part(1).build().size() + part(2).build().size());
      REQUIRE(file.files.size() == 3);
      for (int64_t i = 0; i < 3; ++i) CHECK(file.files[i]->path() == folder.file(part_name(i + 1)));
    }
  }
}

TEST_CASE("a missing part is named, whichever is given") {
  const Folder folder;
  for (int64_t missing = 1; missing <= 3; ++missing) {
    write_parts(folder);
    fs::remove(folder.file(part_name(missing)));
    const std::string given = folder.file(part_name(missing == 3 ? 1 : 3));
    CHECK(error_of(given) == "cannot open " + given + ": part " + std::to_string(missing) +
                                 " of 3 is missing, expected " + folder.file(part_name(missing)));
  }
}

TEST_CASE("parts that do not belong together are refused by name") {
  const Folder folder;
  const auto check_refused = [&](int64_t number, const GgufBuilder& wrong, const std::string& message,
                                 int64_t wrong_file = 0) {
    write_parts(folder);
    folder.write(part_name(number), wrong);
    const std::string expected = folder.file(part_name(wrong_file == 0 ? number : wrong_file)) + ": " + message;
    CHECK(error_of(folder.file(part_name(number == 1 ? 3 : 1))) == expected);
  };
  check_refused(2, GgufBuilder(), "key \"split.count\": expected 3, as in part 1, got 0");
  check_refused(2, split_keys(1, 4), "key \"split.count\": expected 3, as in part 1, got 4");
  check_refused(2, split_keys(1, 3, 5), "key \"split.tensors.count\": expected 4, as in part 1, got 5");
  check_refused(2, split_keys(2), "key \"split.no\": expected 1, as the name says, got 2");
  check_refused(2, split_keys(3), "key \"split.no\": expected 0 to 2, because split.count is 3, got 3");
  check_refused(1, split_keys(1), "key \"split.no\": expected 0, got 1");
  check_refused(1, GgufBuilder(), "key \"split.count\": expected 0, as in part 1, got 3", 3);
  check_refused(2, GgufBuilder().number("split.count", kU16, uint16_t{3}), "missing metadata key \"split.no\"");
  check_refused(2, split_keys(1).text("general.name", "other"),
                "key \"general.name\": expected the value that it has in part 1");
  check_refused(2, split_keys(1).text("general.url", "x"),
                "key \"general.url\": expected it in part 1, which does not have it");
  check_refused(2, split_keys(1).tensor("a", {1}, DType::kF32, "AAAA"), "tensor \"a\": part 1 has it, too");
  check_refused(3, part(2).tensor("e", {1}, DType::kF32, "eeee"),
                "key \"split.tensors.count\": expected the 5 tensors that the 3 parts have, got 4", 1);
  check_refused(3, split_keys(2), "key \"split.tensors.count\": expected the 1 tensors that the 3 parts have, got 4",
                1);
}

TEST_CASE("what a later part may repeat") {
  const Folder folder;
  write_parts(folder);
  folder.write(part_name(2), split_keys(1).text("general.name", "whole").number("general.alignment", kU32, 32u));
  CHECK(content(io::open_gguf(folder.file(part_name(1)))) == "a=aaaa b=bbbb c=cccc d=dddd ");
}

TEST_CASE("a part that was cut off is named") {
  const Folder folder;
  write_parts(folder);
  const std::string path = folder.file(part_name(3));
  fs::resize_file(path, fs::file_size(path) - 4);
  const std::string message = error_of(folder.file(part_name(1)));
  CHECK(message.starts_with(path + ": GGUF byte "));
  CHECK(message.find("tensor \"d\": expected data inside") != std::string::npos);
}

TEST_CASE("a part with another name leads to no other part") {
  const Folder folder;
  write_parts(folder);
  for (const char* name : {"m.gguf", "m-00002-of-00003.gguf", "m-00001-of-00004.gguf"}) {
    const std::string path = folder.write(name, part(0));
    CHECK(error_of(path) == path +
                                ": this is part 1 of 3, whose name must end with \"-00001-of-00003.gguf\","
                                " so that the other parts can be found");
  }
}

TEST_CASE("numbers of parts that no file can have cost nothing") {
  const Folder folder;
  const auto with_count = [&](uint32_t type, auto count) {
    return folder.write("m-00001-of-65535.gguf", GgufBuilder()
                                                     .number("split.count", type, count)
                                                     .number("split.no", kU16, uint16_t{0})
                                                     .number("split.tensors.count", kI32, int32_t{1}));
  };
  const std::string path = with_count(kU16, uint16_t{65535});
  CHECK(error_of(path) ==
        "cannot open " + path + ": part 2 of 65535 is missing, expected " + folder.file("m-00002-of-65535.gguf"));
  const std::string expected = path + ": key \"split.count\": expected 0 to 65535, got ";
  CHECK(error_of(with_count(kU32, uint32_t{65536})) == expected + "65536");
  CHECK(error_of(with_count(kU64, uint64_t{1} << 31)) == expected + "2147483648");
  CHECK(error_of(with_count(kI32, int32_t{-1})) == expected + "-1");
  // gguf-split writes 0 when it merges parts, and 1 for a file that was not worth splitting.
  CHECK(error_of(with_count(kU16, uint16_t{0})) == "no error");
  CHECK(error_of(with_count(kU16, uint16_t{1})) == "no error");
}

TEST_CASE("the other parts lie beside a link, not beside the file that it leads to") {
  const Folder folder;
  write_parts(folder);
  fs::create_directories(folder.path / "blobs");
  fs::create_directories(folder.path / "snapshots/1");
  for (int64_t number = 1; number <= 3; ++number) {
    const std::string blob = "blob" + std::to_string(number);
    fs::rename(folder.file(part_name(number)), folder.path / "blobs" / blob);
    fs::create_symlink("../../blobs/" + blob, folder.path / "snapshots/1" / part_name(number));
  }
  CHECK(content(io::open_gguf(folder.file("snapshots/1/" + part_name(2)))) == "a=aaaa b=bbbb c=cccc d=dddd ");
  fs::remove(folder.path / "blobs/blob3");
  CHECK(error_of(folder.file("snapshots/1/" + part_name(2))).find("part 3 of 3 is missing") != std::string::npos);
}

TEST_CASE("letters of either case") {
  const Folder folder;
  for (int64_t i = 0; i < 3; ++i) folder.write("M-0000" + std::to_string(i + 1) + "-OF-00003.GGUF", part(i));
  CHECK(io::open_gguf(folder.file("M-00003-OF-00003.GGUF")).tensors.size() == 4);
}

}  // namespace
}  // namespace gesso::test
