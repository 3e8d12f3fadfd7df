#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

#include "gesso/error.h"
#include "gguf_builder.h"
#include "io/gguf.h"

namespace gesso::test {
namespace {

using io::GgufFile;

// A parsed file. Its bytes end where their heap block ends, so that the address sanitizer sees every byte read beyond
// them.
struct Parsed {
  explicit Parsed(const std::vector<std::byte>& bytes) : storage(new std::byte[bytes.size()]) {
    std::copy(bytes.begin(), bytes.end(), storage.get());
    file = io::parse_gguf({storage.get(), bytes.size()});
  }

  std::unique_ptr<std::byte[]> storage;
  GgufFile file;
};

// Reads every byte that the file's views refer to.
uint64_t touch(const GgufFile& file) {
  uint64_t sum = 0;
  const auto add = [&sum](std::string_view text) {
    for (const char c : text) sum += static_cast<unsigned char>(c);
  };
  for (const std::string& key : file.metadata.keys()) {
    const io::MetadataValue& value = *file.metadata.find(key);
    if (const auto* text = std::get_if<std::string_view>(&value)) add(*text);
    if (const auto* list = std::get_if<std::vector<std::string_view>>(&value))
      std::for_each(list->begin(), list->end(), add);
  }
  for (const auto& [name, tensor, offset] : file.tensors) {
    add({reinterpret_cast<const char*>(tensor.data), static_cast<size_t>(tensor.num_bytes())});
  }
  return sum;
}

std::string error_of(const std::vector<std::byte>& bytes) {
  try {
    Parsed parsed(bytes);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "no error";
}

#define CHECK_REFUSED(builder, part)                         \
  do {                                                       \
    const std::string message = error_of((builder).build()); \
    CAPTURE(message);                                        \
    CHECK(message.find(part) != std::string::npos);          \
    CHECK(message.find("GGUF byte ") != std::string::npos);  \
  } while (false)

// A file with one value of each kind. It ends with the last byte of its last tensor.
GgufBuilder small_file() {
  GgufBuilder builder;
  builder.text("general.architecture", "test")
      .number("u8", kU8, uint8_t{200})
      .number("i8", kI8, int8_t{-100})
      .number("u16", kU16, uint16_t{60000})
      .number("i16", kI16, int16_t{-30000})
      .number("u32", kU32, uint32_t{4000000000})
      .number("i32", kI32, int32_t{-2000000000})
      .number("f32", kF32, 0.5f)
      .number("bool", kBool, uint8_t{1})
      .number("u64", kU64, uint64_t{1} << 62)
      .number("i64", kI64, int64_t{-1} << 62)
      .number("f64", kF64, 0.1)
      .numbers("ints", kI32, {1, -2, 3})
      .numbers("bools", kBool, {uint8_t{1}, uint8_t{0}})
      .numbers("floats", kF32, {1.5f, -2.0f})
      .key("strings", Bytes().u32(kArray).u32(kString).u64(2).string("a").string(std::string_view("\0\xff", 2)))
      .key("empty", Bytes().u32(kArray).u32(kString).u64(0))
      .key("nested", Bytes().u32(kArray).u32(kArray).u64(1).u32(kU8).u64(2).raw("xy"))
      .tensor("one", {2, 3}, DType::kF32, "0123456789abcdefghijklmn")
      .tensor("two", {32}, DType::kQ8_0, "dd................................");
  return builder;
}

TEST_CASE("a valid file of version 2 or 3 yields its metadata and tensors") {
  for (const uint32_t version : {2u, 3u}) {
    GgufBuilder builder = small_file();
    builder.version = version;
    const std::vector<std::byte> bytes = builder.build();
    const Parsed parsed(bytes);
    const io::Metadata& metadata = parsed.file.metadata;
    CHECK(parsed.file.file_bytes == bytes.size());
    CHECK(metadata.keys().size() == 18);
    CHECK(metadata.keys().front() == "general.architecture");
    CHECK(metadata.get_string("general.architecture") == "test");
    CHECK(metadata.get_int("u8") == 200);
    CHECK(metadata.get_int("i8") == -100);
    CHECK(metadata.get_int("u16") == 60000);
    CHECK(metadata.get_int("i16") == -30000);
    CHECK(metadata.get_int("u32") == 4000000000);
    CHECK(metadata.get_int("i32") == -2000000000);
    CHECK(metadata.get_float("f32") == 0.5);
    CHECK(metadata.get_bool("bool", false));
    CHECK(metadata.get_int("u64") == int64_t{1} << 62);
    CHECK(metadata.get_int("i64") == int64_t{-1} << 62);
    CHECK(metadata.get_float("f64") == 0.1);
    CHECK(metadata.find_ints("ints")->to_vector<int64_t>() == std::vector<int64_t>{1, -2, 3});
    CHECK(metadata.find_ints("bools")->to_vector<int64_t>() == std::vector<int64_t>{1, 0});
    CHECK(metadata.find_floats("floats")->to_vector<double>() == std::vector<double>{1.5, -2.0});
    CHECK(metadata.find_strings("strings")->at(1) == std::string_view("\0\xff", 2));
    CHECK(metadata.find_strings("empty")->empty());
    CHECK(std::holds_alternative<std::monostate>(*metadata.find("nested")));

    REQUIRE(parsed.file.tensors.size() == 2);
    const Tensor& one = parsed.file.tensors[0].tensor;
    CHECK(parsed.file.tensors[0].name == "one");
    CHECK(one.shape == Shape{3, 2});  // outermost first
    CHECK(one.dtype == DType::kF32);
    CHECK(std::memcmp(one.data, "0123456789abcdefghijklmn", 24) == 0);
    const Tensor& two = parsed.file.tensors[1].tensor;
    CHECK(two.dtype == DType::kQ8_0);
    CHECK(two.data + two.num_bytes() == parsed.storage.get() + bytes.size());
    CHECK(touch(parsed.file) > 0);
  }
}

TEST_CASE("a file may have no tensors, no keys, or bytes after the last tensor") {
  CHECK(Parsed(GgufBuilder().build()).file.tensors.empty());
  CHECK(Parsed(GgufBuilder().text("a", "b").build()).file.metadata.get_string("a") == "b");
  CHECK(Parsed(small_file().data("trailing").build()).file.tensors.size() == 2);
}

TEST_CASE("general.alignment places the data section") {
  GgufBuilder builder;
  builder.alignment = 256;
  builder.number("general.alignment", kU32, uint32_t{256}).tensor("t", {4}, DType::kI8, "data");
  const Parsed parsed(builder.build());
  const std::byte* data = parsed.file.tensors[0].tensor.data;
  CHECK((data - parsed.storage.get()) % 256 == 0);
  CHECK(std::memcmp(data, "data", 4) == 0);
}

TEST_CASE("a file cut at any byte is refused") {
  const std::vector<std::byte> bytes = small_file().build();
  for (size_t length = 0; length < bytes.size(); ++length) {
    CAPTURE(length);
    CHECK(error_of({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)}) != "no error");
  }
}

TEST_CASE("a file with any byte changed is refused or stays inside its bytes") {
  const std::vector<std::byte> original = small_file().build();
  int num_parsed = 0;
  for (size_t at = 0; at < original.size(); ++at) {
    for (const int change : {0x01, 0x20, 0x80, 0xff}) {
      std::vector<std::byte> bytes = original;
      bytes[at] ^= static_cast<std::byte>(change);
      try {
        num_parsed += touch(Parsed(bytes).file) > 0;
      } catch (const FormatError&) {
      }
    }
  }
  CHECK(num_parsed > 0);  // changes in names, values and data are not noticed by the parser
}

TEST_CASE("headers are refused for magic, version and byte order") {
  GgufBuilder builder = small_file();
  builder.magic = "GGML";
  CHECK_REFUSED(builder, "magic: expected \"GGUF\", got \"GGML\"");
  builder.magic = "GGUF";
  for (const uint32_t version : {0u, 1u, 4u, 0xffffffffu}) {
    builder.version = version;
    CHECK_REFUSED(builder, "byte 4, header: version: expected 2 or 3, got " + std::to_string(version));
  }
  builder.version = 0x03000000;
  CHECK_REFUSED(builder, "big endian");
}

TEST_CASE("absurd counts are refused before anything is allocated") {
  GgufBuilder builder = small_file();
  builder.num_tensors = INT64_MAX;
  CHECK_REFUSED(builder, "number of tensors: expected at most");
  builder.num_tensors = -1;
  builder.num_keys = int64_t{1} << 40;
  CHECK_REFUSED(builder, "number of keys: expected at most");

  const uint64_t huge = uint64_t{1} << 40;
  CHECK_REFUSED(GgufBuilder().key("k", Bytes().u32(kArray).u32(kString).u64(huge)), "key \"k\": array length");
  CHECK_REFUSED(GgufBuilder().key("k", Bytes().u32(kArray).u32(kF64).u64(uint64_t{1} << 61)), "array length");
  CHECK_REFUSED(GgufBuilder().key("k", Bytes().u32(kArray).u32(kArray).u64(huge)), "array length");
  CHECK_REFUSED(GgufBuilder().key("k", Bytes().u32(kString).u64(UINT64_MAX)), "string: expected at most 0");
  CHECK_REFUSED(GgufBuilder().key(std::string(65537, 'k'), Bytes()), "key: expected a length of 1 to 65536, got 65537");
  CHECK_REFUSED(GgufBuilder().text("", "no name"), "key: expected a length of 1 to 65536, got 0");
}

TEST_CASE("keys are refused for unknown types, bad values, duplicates and deep nesting") {
  CHECK_REFUSED(GgufBuilder().key("k", Bytes().u32(13)), "key \"k\": value type: expected 0 to 12, got 13");
  CHECK_REFUSED(GgufBuilder().key("k", Bytes().u32(kArray).u32(99).u64(0)), "value type: expected 0 to 12, got 99");
  CHECK_REFUSED(GgufBuilder().number("k", kBool, uint8_t{2}), "expected a bool of 0 or 1, got 2");
  CHECK_REFUSED(GgufBuilder().numbers("k", kBool, {uint8_t{3}}), "expected a bool of 0 or 1, got 3");
  CHECK_REFUSED(GgufBuilder().number("k", kU64, uint64_t{1} << 63), "expected below 2^63, got 9223372036854775808");
  CHECK_REFUSED(GgufBuilder().text("k", "1").text("k", "2"), "key \"k\": duplicate key");
  CHECK_REFUSED(GgufBuilder().text(std::string_view("\"\n\xff", 3), "").text(std::string_view("\"\n\xff", 3), ""),
                "key \"\\\"\\x0a\\xff\"");

  const auto nested = [](int depth) {
    Bytes value;
    value.u32(kArray);
    for (int i = 1; i < depth; ++i) value.u32(kArray).u64(1);
    return GgufBuilder().key("k", value.u32(kU8).u64(0));
  };
  CHECK(error_of(nested(8).build()) == "no error");
  CHECK_REFUSED(nested(9), "key \"k\": array: expected at most 8 levels of nesting");
  CHECK_REFUSED(nested(100000), "key \"k\": array: expected at most 8 levels of nesting");
}

TEST_CASE("alignments are refused unless a power of two of at least 8") {
  for (const uint32_t alignment : {0u, 1u, 4u, 24u, 33u, 0xffffffffu}) {
    CHECK_REFUSED(GgufBuilder().number("general.alignment", kU32, alignment), "expected a power of two of at least 8");
  }
  CHECK_REFUSED(GgufBuilder().number("general.alignment", kI64, INT64_MIN), "expected a power of two");
  CHECK(error_of(GgufBuilder().number("general.alignment", kI64, int64_t{1} << 62).build()) == "no error");
  CHECK_REFUSED(GgufBuilder().number("general.alignment", kI64, int64_t{1} << 62).entry("t", {1}, 0, 0),
                "the 0 bytes of the data section");
  CHECK(error_of(GgufBuilder().text("general.alignment", "wide").build()).find("general.alignment") !=
        std::string::npos);
}

TEST_CASE("tensors are refused for their type, rank or extents") {
  CHECK_REFUSED(GgufBuilder().entry("t", {32}, 4, 0),
                "tensor \"t\": unknown tensor type 4, known are F32 (0), F16 (1)");
  CHECK_REFUSED(GgufBuilder().entry("t", {32}, 999, 0), "NVFP4 (40)");
  CHECK_REFUSED(GgufBuilder().entry("t", {}, 0, 0).data("12345678"), "tensor \"t\": rank: expected 1 to 4, got 0");
  CHECK_REFUSED(GgufBuilder().entry("t", {1, 1, 1, 1, 1}, 0, 0), "tensor \"t\": rank: expected 1 to 4, got 5");
  CHECK_REFUSED(GgufBuilder().entry("t", {4, 0}, 0, 0), "extent: expected 1 to 2^63 - 1, got 0");
  CHECK_REFUSED(GgufBuilder().entry("t", {uint64_t{1} << 63}, 0, 0), "extent: expected 1 to 2^63 - 1");
  const uint64_t huge = uint64_t{1} << 32;
  CHECK_REFUSED(GgufBuilder().entry("t", {huge, huge}, 0, 0), "fewer than 2^63 elements");
  CHECK_REFUSED(GgufBuilder().entry("t", {huge, huge / 8}, 0, 0).data("1234"), "expected data inside");
  CHECK_REFUSED(GgufBuilder().entry("t", {uint64_t{1} << 62}, 28, 0).data("1234"), "overflow");
  CHECK_REFUSED(GgufBuilder().entry("t", {48, 2}, 8, 0).data(std::string(204, '.')),
                "tensor \"t\": expected rows of a multiple of 32 elements for type Q8_0, got shape [2, 48]");
  CHECK_REFUSED(GgufBuilder().entry(std::string(65537, 't'), {1}, 0, 0),
                "tensor name: expected a length of 1 to 65536");
  CHECK_REFUSED(GgufBuilder().entry("t", {1}, 24, 0).entry("t", {1}, 24, 32).data(std::string(33, '.')),
                "tensor \"t\": duplicate tensor name");
}

TEST_CASE("tensors are refused for where their data lies") {
  const std::string data(64, '.');
  CHECK_REFUSED(GgufBuilder().entry("t", {4}, 0, 16).data(data), "data offset: expected a multiple of 32, got 16");
  CHECK_REFUSED(
      GgufBuilder().entry("t", {4}, 0, 64).data(data),
      "tensor \"t\": expected data inside the 64 bytes of the data section, got 16 bytes (F32 [4]) at offset 64");
  CHECK_REFUSED(GgufBuilder().entry("t", {9}, 0, 32).data(data), "expected data inside the 64 bytes");
  CHECK_REFUSED(GgufBuilder().entry("t", {4}, 0, UINT64_MAX - 31).data(data), "expected data inside the 64 bytes");
  CHECK_REFUSED(GgufBuilder().entry("t", {4}, 0, 0), "expected data inside the 0 bytes");
  CHECK_REFUSED(GgufBuilder().entry("late", {4}, 0, 32).entry("early", {33}, 24, 0).data(data),
                "tensor \"late\": data at offset 32 overlaps tensor \"early\", which ends at 33");
  CHECK(error_of(GgufBuilder().entry("late", {4}, 0, 32).entry("early", {32}, 24, 0).data(data).build()) == "no error");
  CHECK_REFUSED(GgufBuilder().entry("a", {1}, 0, 0).entry("b", {1}, 0, 0).data(data), "overlaps tensor");
}

}  // namespace
}  // namespace gesso::test
