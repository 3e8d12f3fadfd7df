// Metadata and tensors of a file, as C sees them.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "c_session.h"
#include "gesso/checkpoint.h"
#include "gguf_builder.h"

namespace {

using gesso::test::Bytes;
using gesso::test::kModel;
using gesso::test::Loaded;
using gesso::test::said;

// A file with a value of each kind, which is a model of no architecture.
struct File {
  File() {
    gesso::test::GgufBuilder builder;
    builder.text("text", std::string("a\0b", 3)).number("int", gesso::test::kI32, int32_t{-30});
    builder.number("float", gesso::test::kF32, 0.1f).number("double", gesso::test::kF64, 0.1);
    builder.number("bool", gesso::test::kBool, uint8_t{1});
    builder.key("ints", array(gesso::test::kU8, 3).number(uint8_t{1}).number(uint8_t{2}).number(uint8_t{255}));
    builder.key("floats", array(gesso::test::kF32, 2).number(0.5f).number(-3.0f));
    builder.key("texts", array(gesso::test::kString, 2).string("x").string("\"\n"));
    builder.key("none", array(gesso::test::kString, 0));
    const std::vector<std::byte> bytes = builder.build();
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
    REQUIRE(gesso_checkpoint_open(path.c_str(), nullptr, &checkpoint) == GESSO_OK);
  }
  ~File() {
    gesso_checkpoint_free(checkpoint);
    std::filesystem::remove(path);
  }

  static Bytes array(uint32_t type, uint64_t size) {
    Bytes bytes;
    bytes.number(uint32_t{9}).number(type).number(size);
    return bytes;
  }

  std::string shown(const char* key) const {
    size_t count = 0;
    REQUIRE(gesso_checkpoint_value(checkpoint, key, nullptr, 0, &count) == GESSO_OK);
    std::string text(count, '?');
    REQUIRE(gesso_checkpoint_value(checkpoint, key, text.data(), text.size(), &count) == GESSO_OK);
    CHECK(text.back() == '\0');
    text.pop_back();
    return text;
  }

  std::string path = "/tmp/gesso_test_metadata_" + std::to_string(::getpid()) + ".gguf";
  gesso_checkpoint* checkpoint = nullptr;
};

}  // namespace

TEST_CASE("metadata has values of all kinds, and texts of them") {
  const File file;
  const struct {
    const char* key;
    gesso_value_type type;
    std::string text;
  } expected[] = {{"text", GESSO_VALUE_TEXT, std::string("a\0b", 3)},
                  {"int", GESSO_VALUE_INT, "-30"},
                  {"float", GESSO_VALUE_FLOAT, "0.1"},
                  {"double", GESSO_VALUE_FLOAT, "0.1"},
                  {"bool", GESSO_VALUE_BOOL, "true"},
                  {"ints", GESSO_VALUE_INTS, "[1, 2, 255]"},
                  {"floats", GESSO_VALUE_FLOATS, "[0.5, -3]"},
                  {"texts", GESSO_VALUE_TEXTS, "[\"x\", \"\\\"\\x0a\"]"},
                  {"none", GESSO_VALUE_TEXTS, "[]"}};
  REQUIRE(gesso_checkpoint_num_keys(file.checkpoint) == std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i) {
    CHECK(gesso_checkpoint_key(file.checkpoint, i) == std::string(expected[i].key));
    CHECK(gesso_checkpoint_value_type(file.checkpoint, expected[i].key) == expected[i].type);
    CHECK(file.shown(expected[i].key) == expected[i].text);
  }
  CHECK(gesso_checkpoint_key(file.checkpoint, std::size(expected)) == nullptr);
  CHECK(gesso_checkpoint_value_type(file.checkpoint, "missing") == GESSO_VALUE_NONE);
  char small[3] = "ab";
  size_t count = 0;
  REQUIRE(gesso_checkpoint_value(file.checkpoint, "int", small, sizeof small, &count) == GESSO_OK);
  CHECK(count == 4);
  CHECK(small == std::string("ab"));  // it did not fit, so nothing was written
}

TEST_CASE("metadata has typed values, and refuses other types") {
  const File file;
  int64_t integer = 7;
  double number = 7;
  REQUIRE(gesso_checkpoint_int(file.checkpoint, "int", &integer) == GESSO_OK);
  CHECK(integer == -30);
  REQUIRE(gesso_checkpoint_int(file.checkpoint, "bool", &integer) == GESSO_OK);
  CHECK(integer == 1);
  CHECK(gesso_checkpoint_int(file.checkpoint, "float", &integer) == GESSO_FORMAT_ERROR);
  CHECK(said("key \"float\": expected an integer, got"));
  CHECK(gesso_checkpoint_int(file.checkpoint, "missing", &integer) == GESSO_FORMAT_ERROR);
  CHECK(said("missing key \"missing\""));
  CHECK(integer == 1);
  REQUIRE(gesso_checkpoint_float(file.checkpoint, "double", &number) == GESSO_OK);
  CHECK(number == 0.1);
  REQUIRE(gesso_checkpoint_float(file.checkpoint, "int", &number) == GESSO_OK);
  CHECK(number == -30);
  CHECK(gesso_checkpoint_float(file.checkpoint, "text", &number) == GESSO_FORMAT_ERROR);

  int64_t integers[3] = {7, 7, 7};
  size_t count = 0;
  REQUIRE(gesso_checkpoint_ints(file.checkpoint, "ints", integers, 2, &count) == GESSO_OK);
  CHECK(count == 3);
  CHECK(integers[1] == 2);
  CHECK(integers[2] == 7);
  CHECK(gesso_checkpoint_ints(file.checkpoint, "floats", integers, 3, &count) == GESSO_FORMAT_ERROR);
  CHECK(gesso_checkpoint_ints(file.checkpoint, "int", integers, 3, &count) == GESSO_FORMAT_ERROR);
  REQUIRE(gesso_checkpoint_ints(file.checkpoint, "texts", integers, 3, &count) == GESSO_OK);
  CHECK(count == 2);
  CHECK(integers[0] == 1);
  double numbers[3] = {};
  REQUIRE(gesso_checkpoint_floats(file.checkpoint, "ints", numbers, 3, &count) == GESSO_OK);
  CHECK(numbers[2] == 255);
  REQUIRE(gesso_checkpoint_floats(file.checkpoint, "floats", numbers, 3, &count) == GESSO_OK);
  CHECK(numbers[1] == -3);

  const char* text = nullptr;
  size_t length = 0;
  REQUIRE(gesso_checkpoint_text(file.checkpoint, "text", 0, &text, &length) == GESSO_OK);
  CHECK(std::string(text, length) == std::string("a\0b", 3));
  REQUIRE(gesso_checkpoint_text(file.checkpoint, "texts", 1, &text, &length) == GESSO_OK);
  CHECK(std::string(text, length) == "\"\n");
  CHECK(gesso_checkpoint_text(file.checkpoint, "texts", 2, &text, &length) == GESSO_ARGUMENT_ERROR);
  CHECK(said("index: expected less than 2, got 2"));
  CHECK(gesso_checkpoint_text(file.checkpoint, "none", 0, &text, &length) == GESSO_ARGUMENT_ERROR);
  CHECK(gesso_checkpoint_text(file.checkpoint, "text", 1, &text, &length) == GESSO_ARGUMENT_ERROR);
  CHECK(gesso_checkpoint_text(file.checkpoint, "int", 0, &text, &length) == GESSO_FORMAT_ERROR);
}

TEST_CASE("a checkpoint is no model, and says why") {
  const File file;
  gesso_model* model = nullptr;
  CHECK(gesso_checkpoint_load(file.checkpoint, nullptr, &model) == GESSO_FORMAT_ERROR);
  CHECK(said("general.architecture"));
  CHECK(model == nullptr);
}

TEST_CASE("a model of an open checkpoint is that of its file, and keeps what it needs") {
  gesso_checkpoint* checkpoint = nullptr;
  REQUIRE(gesso_checkpoint_open(kModel.c_str(), nullptr, &checkpoint) == GESSO_OK);
  gesso_load_options options;
  REQUIRE(gesso_load_options_init(&options, sizeof options) == GESSO_OK);
  options.device = "cpu";
  options.num_threads = 1;
  Loaded from_file, loaded;
  gesso_model_free(std::exchange(loaded.model, nullptr));
  REQUIRE(gesso_checkpoint_load(checkpoint, &options, &loaded.model) == GESSO_OK);
  gesso_checkpoint_free(checkpoint);
  gesso_options generation = gesso::test::short_options();
  REQUIRE(loaded.generate(&generation) == GESSO_OK);
  REQUIRE(from_file.generate(&generation) == GESSO_OK);
  CHECK(loaded.ids == from_file.ids);
  const gesso_checkpoint* kept = gesso_model_checkpoint(loaded.model);
  const char* text = nullptr;
  size_t length = 0;
  REQUIRE(gesso_checkpoint_text(kept, "general.architecture", 0, &text, &length) == GESSO_OK);
  CHECK(std::string(text, length) == "diffusion-gemma");
}

TEST_CASE("the tensors of a checkpoint are those of C++") {
  Loaded loaded;
  const gesso_checkpoint* checkpoint = gesso_model_checkpoint(loaded.model);
  const gesso::Checkpoint same = gesso::Checkpoint::open(kModel);
  const std::vector<gesso::Checkpoint::TensorInfo> expected = same.tensors();
  REQUIRE(gesso_checkpoint_num_tensors(checkpoint) == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    gesso_tensor tensor;
    REQUIRE(gesso_checkpoint_tensor(checkpoint, i, &tensor, sizeof tensor) == GESSO_OK);
    CHECK(tensor.name == expected[i].name);
    CHECK(tensor.type == expected[i].type);
    CHECK(std::vector<int64_t>(tensor.shape, tensor.shape + tensor.rank) == expected[i].shape);
    for (int64_t axis = tensor.rank; axis < 4; ++axis) CHECK(tensor.shape[axis] == 1);
    CHECK(tensor.offset == expected[i].offset);
    REQUIRE(tensor.num_bytes == static_cast<int64_t>(expected[i].num_bytes));
    CHECK(std::memcmp(tensor.data, expected[i].data, expected[i].num_bytes) == 0);
  }
  gesso_tensor tensor;
  CHECK(gesso_checkpoint_tensor(checkpoint, expected.size(), &tensor, sizeof tensor) == GESSO_ARGUMENT_ERROR);
  CHECK(said("index: expected less than"));
}
