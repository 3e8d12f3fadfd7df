// The C interface: its statuses and messages, and structs of options of other versions. No call may let an exception
// escape.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "api/c/sized_struct.h"
#include "c_model.h"
#include "gesso/gesso.h"
#include "gesso/model.h"
#include "gesso/options.h"
#include "gguf_builder.h"
#include "io/open_gguf.h"

namespace {

using gesso::test::kModel;
using gesso::test::kPrompt;
using gesso::test::Loaded;
using gesso::test::said;

// What the library gives for a prompt, without C between.
std::vector<int32_t> expected_ids(const gesso::GenerationOptions& options) {
  return gesso::Model::load(kModel, {"cpu", 1}).generate({{5, 6, 7}}, options).results[0].ids;
}

// Few steps of one canvas, in C and in C++: what an emulated processor has time for.
struct OneCanvas {
  OneCanvas() {
    REQUIRE(gesso_options_init(&c, sizeof c) == GESSO_OK);
    cpp.max_new_tokens = c.max_new_tokens = 1;
    cpp.max_denoising_steps = c.max_denoising_steps = 3;
  }
  gesso_options c;
  gesso::GenerationOptions cpp;
};

// A struct that had only its first two fields at first.
struct Grown {
  size_t struct_size;
  int64_t count;
  double added;
};
constexpr size_t kFirstSize = offsetof(Grown, added);

// The struct of a header that is newer than the library.
struct NewerOptions {
  gesso_options known;
  int64_t added[2];
};

}  // namespace

TEST_CASE("a missing file is an I/O error with a message") {
  gesso_model* model = nullptr;
  CHECK(gesso_model_load("/no/such/file.gguf", nullptr, &model) == GESSO_IO_ERROR);
  CHECK(model == nullptr);
  CHECK(std::strstr(gesso_last_error(), "/no/such/file.gguf") != nullptr);
}

TEST_CASE("NULL arguments are argument errors") {
  gesso_model* model = nullptr;
  gesso_result* result = nullptr;
  size_t count = 7;
  CHECK(gesso_model_load(nullptr, nullptr, &model) == GESSO_ARGUMENT_ERROR);
  CHECK(gesso_model_load("x", nullptr, nullptr) == GESSO_ARGUMENT_ERROR);
  CHECK(gesso_generate_text(nullptr, "x", nullptr, &result) == GESSO_ARGUMENT_ERROR);
  CHECK(std::strstr(gesso_last_error(), "model") != nullptr);
  CHECK(gesso_encode(nullptr, "x", nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(gesso_encode_parts(nullptr, nullptr, nullptr, 1, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(count == 7);
  CHECK(gesso_result_ids(nullptr, &count) == nullptr);
  CHECK(count == 0);
  CHECK(gesso_options_init(nullptr, sizeof(gesso_options)) == GESSO_ARGUMENT_ERROR);
  CHECK(gesso_load_options_init(nullptr, sizeof(gesso_load_options)) == GESSO_ARGUMENT_ERROR);
  gesso_model_free(nullptr);
  gesso_result_free(nullptr);
}

TEST_CASE("a special token that a user writes is text in parts that say so") {
  gesso_model* model = nullptr;
  REQUIRE(gesso_model_load(GESSO_BUNDLED_MODEL, nullptr, &model) == GESSO_OK);
  const auto encode = [&](const std::vector<const char*>& texts, const std::vector<uint8_t>& parse_special) {
    std::vector<int32_t> ids(16, -1);
    size_t count = 0;
    REQUIRE(gesso_encode_parts(model, texts.data(), parse_special.data(), texts.size(), ids.data(), ids.size(),
                               &count) == GESSO_OK);
    ids.resize(count);
    return ids;
  };
  using Ids = std::vector<int32_t>;
  CHECK(encode({"<bos>1"}, {1}) == Ids{2, 6});
  CHECK(encode({"<bos>1"}, {0}) == Ids{76, 114, 127, 131, 78, 6});  // the bytes of < b o s >
  CHECK(encode({"<bos>", "<bos>\n", "\n"}, {1, 0, 1}) ==
        Ids{2, 76, 114, 127, 131, 78, 14});  // two line ends are one token
  CHECK(encode({}, {}) == Ids{});
  size_t count = 7;
  CHECK(gesso_encode(model, "<bos>1", nullptr, 0, &count) == GESSO_OK);
  CHECK(count == 2);
  const char* const texts[] = {"1", nullptr};
  const uint8_t flags[] = {1, 1};
  CHECK(gesso_encode_parts(model, texts, flags, 2, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(said("text"));
  CHECK(gesso_encode_parts(model, texts, nullptr, 1, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(count == 2);
  gesso_model_free(model);
}

TEST_CASE("fields of published structs stay where they are; new ones go to the end") {
  CHECK(offsetof(gesso_options, struct_size) == 0);
  CHECK(offsetof(gesso_load_options, struct_size) == 0);
  if (sizeof(void*) != 8) return;
  CHECK(offsetof(gesso_options, max_new_tokens) == 8);
  CHECK(offsetof(gesso_options, entropy_bound) == 24);
  CHECK(offsetof(gesso_options, stability_threshold) == 40);
  CHECK(offsetof(gesso_options, seed) == 56);
  CHECK(offsetof(gesso_options, user_data) == 72);
  CHECK(offsetof(gesso_load_options, num_threads) == 24);
  CHECK(offsetof(gesso_load_options, exact_soft_embedding) == 28);
  CHECK(offsetof(gesso_load_options, no_mmap) == 32);
  CHECK(offsetof(gesso_load_options, copy_weights) == 40);
}

TEST_CASE("initialised options are the defaults") {
  gesso_options options;
  std::memset(&options, 0x5a, sizeof options);
  REQUIRE(gesso_options_init(&options, sizeof options) == GESSO_OK);
  CHECK(options.struct_size == sizeof options);
  CHECK(options.max_denoising_steps < 0);
  CHECK(options.confidence_threshold < 0);
  CHECK(options.seed == 0);
  CHECK((options.on_step == nullptr));
  Loaded loaded;
  options.max_new_tokens = 1;
  gesso::GenerationOptions same;
  same.max_new_tokens = 1;
  CHECK(loaded.generate(&options) == GESSO_OK);
  CHECK(loaded.ids == expected_ids(same));
}

TEST_CASE("every number of C's struct reaches the generation") {
  Loaded loaded;
  gesso_options options;
  REQUIRE(gesso_options_init(&options, sizeof options) == GESSO_OK);
  options.max_new_tokens = 1;
  options.max_denoising_steps = 5;
  options.entropy_bound = 0.3f;
  options.t_min = 0.2f;
  options.t_max = 1.5f;
  options.stability_threshold = 2;
  options.confidence_threshold = 0.0f;
  options.seed = 11;
  gesso::GenerationOptions same;
  for (const auto& [name, value] : std::vector<std::pair<std::string, gesso::OptionValue>>{
           {"max_new_tokens", int64_t{1}},
           {"max_denoising_steps", int64_t{5}},
           {"entropy_bound", 0.3f},
           {"t_min", 0.2f},
           {"t_max", 1.5f},
           {"stability_threshold", int64_t{2}},
           {"confidence_threshold", int64_t{0}},  // an integer serves as a number
           {"seed", std::vector<uint64_t>{11}}}) {
    gesso::set_option(same, name, value);
  }
  CHECK(loaded.generate(&options) == GESSO_OK);
  CHECK(loaded.ids == expected_ids(same));
  CHECK(loaded.num_steps == 5);
  // Each is checked by its name, so each is looked at.
  const auto refused = [&](auto gesso_options::*field, auto value, const char* name) {
    gesso_options wrong = options;
    wrong.*field = value;
    CHECK(loaded.generate(&wrong) == GESSO_ARGUMENT_ERROR);
    CHECK(said(name));
  };
  refused(&gesso_options::max_new_tokens, 0, "max_new_tokens");
  refused(&gesso_options::max_denoising_steps, 0, "max_denoising_steps");
  for (auto [field, name] : {std::pair(&gesso_options::entropy_bound, "entropy_bound"),
                             std::pair(&gesso_options::t_min, "t_min"), std::pair(&gesso_options::t_max, "t_max"),
                             std::pair(&gesso_options::confidence_threshold, "confidence_threshold")}) {
    refused(field, std::numeric_limits<float>::quiet_NaN(), name);
  }
}

TEST_CASE("a text ends in front of a stop string, and after max_new_tokens") {
  Loaded loaded(GESSO_BUNDLED_MODEL);
  OneCanvas one;
  // The first canvas holds the text "123".
  const gesso::Model model = gesso::Model::load(GESSO_BUNDLED_MODEL, {"cpu", 1});
  const std::vector<int32_t> text = model.tokenizer()->encode("123");
  std::vector<gesso_pin> pins;
  for (size_t i = 0; i < text.size(); ++i) pins.push_back({0, 0, static_cast<int64_t>(i), text[i]});
  const char* const stop[] = {"zzz", "3"};
  one.c.max_new_tokens = model.config().canvas_length;
  one.c.pins = pins.data();
  one.c.num_pins = pins.size();
  one.c.stop = stop;
  one.c.num_stop = 2;
  REQUIRE(loaded.generate(&one.c) == GESSO_OK);
  CHECK(loaded.ids == model.tokenizer()->encode("12"));
  one.c.max_new_tokens = 1;
  REQUIRE(loaded.generate(&one.c) == GESSO_OK);
  CHECK(loaded.ids == model.tokenizer()->encode("1"));
  const char* const half[] = {"a", "\xac"};  // the last byte of a euro sign
  one.c.stop = half;
  CHECK(loaded.generate(&one.c) == GESSO_ARGUMENT_ERROR);
  CHECK(said("stop: string 1: text: expected UTF-8"));
  one.c.pins = nullptr;
  one.c.num_pins = 0;
  CHECK(Loaded().generate(&one.c) == GESSO_ARGUMENT_ERROR);
  CHECK(said("stop: the model has no tokenizer"));
  const char* const wrong[] = {"a", nullptr};
  one.c.stop = wrong;
  CHECK(loaded.generate(&one.c) == GESSO_ARGUMENT_ERROR);
  CHECK(said("stop"));
  one.c.stop = nullptr;
  CHECK(loaded.generate(&one.c) == GESSO_ARGUMENT_ERROR);
  CHECK(said("stop"));
}

TEST_CASE("a number that float32 cannot hold in full is refused by its name") {
  Loaded loaded;
  gesso_options options;
  REQUIRE(gesso_options_init(&options, sizeof options) == GESSO_OK);
  options.t_min = 1e-45f;
  CHECK(loaded.generate(&options) == GESSO_ARGUMENT_ERROR);
  CHECK(said("t_min: expected a number that float32 holds, 0 or from 1.17549e-38 to 3.40282e+38, got 1.4013e-45"));
  options.t_min = 0;
  options.t_max = 1e-37f;  // a logit of 30 divided by this is beyond float32
  CHECK(loaded.generate(&options) == GESSO_ARGUMENT_ERROR);
  CHECK(said("t_min and t_max: expected a temperature of at least "));
}

TEST_CASE("a broken weight has a status and an exception of its own") {
  std::ifstream file(kModel, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const float infinity = std::numeric_limits<float>::infinity();
  for (const auto& tensor : gesso::Checkpoint::open(kModel).tensors()) {
    if (tensor.name == "output_norm.weight") std::memcpy(bytes.data() + tensor.offset, &infinity, sizeof infinity);
  }
  const std::string path = "/tmp/gesso_test_broken_" + std::to_string(::getpid()) + ".gguf";
  std::ofstream(path, std::ios::binary) << bytes;

  gesso_model* model = nullptr;
  gesso_result* result = nullptr;
  REQUIRE(gesso_model_load(path.c_str(), nullptr, &model) == GESSO_OK);
  CHECK(gesso_generate(model, kPrompt, 3, nullptr, &result) == GESSO_NUMERICS_ERROR);
  CHECK(result == nullptr);
  CHECK(said("sequence 0, canvas 0, step 0: numbers are not finite, first in the final norm. A weight is"));
  gesso_model_free(model);

  gesso::Session session(gesso::Model::load(path, {"cpu", 1}), 2);
  try {
    session.generate({{5, 6}, {7}}, {});
    FAIL("expected a NumericsError");
  } catch (const gesso::NumericsError& error) {
    CHECK(error.sequence == 0);
    CHECK(error.layer == -1);
    CHECK(error.place == "the final norm");
  }
  CHECK(session.length(1) == 0);
  CHECK_THROWS_AS(session.generate({{5}, {7}}, {}), gesso::Error);
  std::filesystem::remove(path);
}

TEST_CASE("a struct of a newer header is fine as long as what is new is zero") {
  Loaded loaded;
  NewerOptions options;
  std::memset(&options, 0x5a, sizeof options);
  REQUIRE(gesso_options_init(&options.known, sizeof options) == GESSO_OK);
  CHECK(options.known.struct_size == sizeof options);
  CHECK(options.added[0] == 0);
  CHECK(options.added[1] == 0);
  options.known.max_new_tokens = 1;
  options.known.seed = 3;
  gesso::GenerationOptions same;
  same.max_new_tokens = 1;
  same.seeds = {3};
  CHECK(loaded.generate(&options) == GESSO_OK);
  CHECK(loaded.ids == expected_ids(same));
  options.added[1] = 1;
  CHECK(loaded.generate(&options) == GESSO_ARGUMENT_ERROR);
  CHECK(said(std::to_string(sizeof(gesso_options))));
  CHECK(said(std::to_string(sizeof options)));
}

TEST_CASE("a struct of an older header has defaults for what is new") {
  const Grown defaults = {sizeof(Grown), 3, 0.5};
  Grown older;
  std::memset(&older, 0x5a, sizeof older);
  const Grown untouched = older;
  gesso::init_struct("s", &older, kFirstSize, defaults, kFirstSize);
  CHECK(older.struct_size == kFirstSize);
  CHECK(older.count == 3);
  CHECK(std::memcmp(&older.added, &untouched.added, sizeof older.added) == 0);  // the caller's struct ends before it
  older.count = 9;
  const Grown read = gesso::read_struct("s", &older, defaults, kFirstSize);
  CHECK(read.count == 9);
  CHECK(read.added == 0.5);
  Grown newer;
  gesso::init_struct("s", &newer, sizeof newer, defaults, kFirstSize);
  CHECK(newer.added == 0.5);
  newer.added = 2;
  CHECK(gesso::read_struct("s", &newer, defaults, kFirstSize).added == 2);
  CHECK(gesso::read_struct("s", static_cast<const Grown*>(nullptr), defaults, kFirstSize).count == 3);
  newer.struct_size = kFirstSize - 1;
  CHECK_THROWS_WITH_AS(gesso::read_struct("s", &newer, defaults, kFirstSize), doctest::Contains("got 15"),
                       gesso::ArgumentError);
}

TEST_CASE("a struct_size that is none is refused with both sizes") {
  Loaded loaded;
  gesso_options options;
  const size_t first_size = offsetof(gesso_options, on_step_event);  // of the first version
  for (const size_t size : {size_t{0}, size_t{8}, first_size - 1, size_t{4097}, SIZE_MAX}) {
    std::memset(&options, 0x5a, sizeof options);
    CHECK(gesso_options_init(&options, size) == GESSO_ARGUMENT_ERROR);
    CHECK(options.seed == 0x5a5a5a5a5a5a5a5a);  // nothing was written
    REQUIRE(gesso_options_init(&options, sizeof options) == GESSO_OK);
    options.struct_size = size;
    CHECK(loaded.generate(&options) == GESSO_ARGUMENT_ERROR);
    CHECK(said("gesso_options.struct_size: expected " + std::to_string(sizeof options)));
    CHECK(said("got " + std::to_string(size)));
  }
  gesso_load_options load;
  gesso_model* model = nullptr;
  for (const size_t size : {size_t{0}, size_t{16}, size_t{5000}}) {
    CHECK(gesso_load_options_init(&load, size) == GESSO_ARGUMENT_ERROR);
    REQUIRE(gesso_load_options_init(&load, sizeof load) == GESSO_OK);
    load.struct_size = size;
    CHECK(gesso_model_load(kModel.c_str(), &load, &model) == GESSO_ARGUMENT_ERROR);
    CHECK(said("gesso_load_options.struct_size"));
    CHECK(model == nullptr);
  }
  REQUIRE(gesso_load_options_init(&load, sizeof load) == GESSO_OK);
  load.exact_soft_embedding = 7;
  CHECK(gesso_model_load(kModel.c_str(), &load, &model) == GESSO_ARGUMENT_ERROR);
  CHECK(said("gesso_load_options.exact_soft_embedding: expected 0 or 1, got 7"));
}

TEST_CASE("load options reach the model") {
  gesso_load_options options;
  REQUIRE(gesso_load_options_init(&options, sizeof options) == GESSO_OK);
  CHECK(options.num_threads == 0);
  CHECK(options.exact_soft_embedding == 0);
  options.device = "cpu";
  options.exact_soft_embedding = 1;
  options.activations = "f32";
  gesso_model* model = nullptr;
  REQUIRE(gesso_model_load(kModel.c_str(), &options, &model) == GESSO_OK);
  CHECK(gesso_model_activations(model) == std::string("f32"));
  gesso_model_free(model);
}

TEST_CASE("a model that was read into memory does not need its file any more") {
  const std::string path = "/tmp/gesso_test_no_mmap_" + std::to_string(::getpid()) + ".gguf";
  std::filesystem::copy_file(kModel, path, std::filesystem::copy_options::overwrite_existing);
  const OneCanvas one_canvas;
  gesso_load_options options;
  REQUIRE(gesso_load_options_init(&options, sizeof options) == GESSO_OK);
  CHECK(options.no_mmap == 0);
  options.device = "cpu";
  options.num_threads = 1;
  options.no_mmap = 1;
  Loaded loaded;
  gesso_model_free(loaded.model);
  loaded.model = nullptr;
  REQUIRE(gesso_model_load(path.c_str(), &options, &loaded.model) == GESSO_OK);
  std::filesystem::resize_file(path, 0);  // a mapped file would now end the process with SIGBUS
  CHECK(loaded.generate(&one_canvas.c) == GESSO_OK);
  CHECK(loaded.ids == expected_ids(one_canvas.cpp));
  std::filesystem::remove(path);
  options.no_mmap = 2;
  CHECK(gesso_model_load(kModel.c_str(), &options, &loaded.model) == GESSO_ARGUMENT_ERROR);
  CHECK(said("gesso_load_options.no_mmap: expected 0 or 1, got 2"));
  options.no_mmap = 0;
  options.copy_weights = 2;
  CHECK(gesso_model_load(kModel.c_str(), &options, &loaded.model) == GESSO_ARGUMENT_ERROR);
  CHECK(said("gesso_load_options.copy_weights: expected 0 or 1, got 2"));
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_CASE("a split file loads by any part") {
  const std::string prefix = "/tmp/gesso_test_split_" + std::to_string(::getpid());
  const std::string names[] = {prefix + "-00001-of-00002.gguf", prefix + "-00002-of-00002.gguf"};
  const gesso::io::GgufFile whole = gesso::io::open_gguf(kModel);
  gesso::test::GgufBuilder parts[2];
  for (const std::string& key : whole.metadata.keys()) {
    parts[0].key(key, gesso::test::Bytes().raw(as_text(whole.metadata.encoded(key))));
  }
  for (uint16_t index = 0; index < 2; ++index) {
    parts[index].number("split.no", gesso::test::kU16, index).number("split.count", gesso::test::kU16, uint16_t{2});
    parts[index].number("split.tensors.count", gesso::test::kI32, static_cast<int32_t>(whole.tensors.size()));
  }
  for (size_t i = 0; i < whole.tensors.size(); ++i) {
    const gesso::Tensor& tensor = whole.tensors[i].tensor;
    const auto first = std::make_reverse_iterator(tensor.shape.extents.begin() + tensor.shape.rank);
    parts[i % 2].tensor(whole.tensors[i].name, {first, tensor.shape.extents.rend()}, tensor.dtype,
                        as_text({tensor.data, static_cast<size_t>(tensor.num_bytes())}));
  }
  for (int i = 0; i < 2; ++i) std::ofstream(names[i], std::ios::binary) << as_text(parts[i].build());
  const OneCanvas one_canvas;
  const std::vector<int32_t> expected = expected_ids(one_canvas.cpp);
  for (const std::string& name : names) {
    Loaded loaded(name);
    CHECK(loaded.generate(&one_canvas.c) == GESSO_OK);
    CHECK(loaded.ids == expected);
  }
  std::filesystem::remove(names[0]);
  gesso_model* model = nullptr;
  CHECK(gesso_model_load(names[1].c_str(), nullptr, &model) == GESSO_IO_ERROR);
  CHECK(said("part 1 of 2 is missing, expected " + names[0]));
  std::filesystem::remove(names[1]);
}

TEST_CASE("an older header's load options have no field for reading") {
  gesso_load_options options;
  REQUIRE(gesso_load_options_init(&options, offsetof(gesso_load_options, no_mmap)) == GESSO_OK);
  CHECK(options.struct_size == offsetof(gesso_load_options, no_mmap));
  options.no_mmap = 0x5a;  // what lies behind the older struct
  options.device = "cpu";
  gesso_model* model = nullptr;
  REQUIRE(gesso_model_load(kModel.c_str(), &options, &model) == GESSO_OK);
  gesso_model_free(model);
}

TEST_CASE("options by name") {
  gesso::GenerationOptions options;
  gesso::set_option(options, "t_min", int64_t{1});
  CHECK(options.t_min == 1.0f);
  CHECK_THROWS_WITH_AS(gesso::set_option(options, "temperature", 1.0), doctest::Contains("\"temperature\""),
                       gesso::ArgumentError);
  CHECK_THROWS_WITH_AS(gesso::set_option(options, "max_new_tokens", 1.5),
                       doctest::Contains("max_new_tokens: expected an integer"), gesso::ArgumentError);
  CHECK_THROWS_WITH_AS(gesso::set_option(options, "seed", std::vector<int32_t>{1}), doctest::Contains("seed"),
                       gesso::ArgumentError);
  for (const gesso::OptionInfo& info : gesso::generation_options()) {
    CHECK_NOTHROW(gesso::set_option(options, info.name, info.default_value));
  }
}
