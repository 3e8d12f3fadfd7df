// The limits of sizes, and that a caller can end long readings. tests/python/files/test_hostile_sizes.py has more.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "gesso/error.h"
#include "gesso/limits.h"
#include "gesso/model.h"
#include "gguf_builder.h"
#include "io/gguf.h"
#include "text/tokenizer.h"
#include "tiny_checkpoint.h"

namespace gesso {
namespace {

using test::Bytes;
using test::GgufBuilder;

// A file that states these numbers, with enough zeros behind them.
std::vector<std::byte> with_counts(int64_t num_tensors, int64_t num_keys) {
  GgufBuilder builder;
  builder.num_tensors = num_tensors;
  builder.num_keys = num_keys;
  std::vector<std::byte> bytes = builder.build();
  bytes.resize(32 * static_cast<size_t>(std::max(num_tensors, num_keys)) + 64);
  return bytes;
}

// A file with `count` strings in one array, and a key that is read before them.
std::vector<std::byte> with_strings(size_t count) {
  Bytes list;
  list.u32(test::kArray).u32(test::kString).u64(count);
  for (size_t i = 0; i < count; ++i) list.string("ab");
  return GgufBuilder().text("general.architecture", "test").key("list", list).build();
}

// The tokens t0, t1, ... and merges that join nothing.
io::Metadata many_tokens(std::vector<std::string>& texts, const std::vector<int64_t>& types) {
  for (size_t i = 0; i < types.size(); ++i) texts.push_back("t" + std::to_string(i));
  io::Metadata metadata;
  metadata.add("tokenizer.ggml.model", std::string_view("gemma4"));
  metadata.add("tokenizer.ggml.tokens", std::vector<std::string_view>(texts.begin(), texts.end()));
  metadata.add("tokenizer.ggml.token_type", types);
  metadata.add("tokenizer.ggml.merges", std::vector<std::string_view>(types.size(), "t0 t1"));
  metadata.add("tokenizer.ggml.unknown_token_id", int64_t{0});
  return metadata;
}

}  // namespace

TEST_CASE("the numbers of keys and tensors are limited") {
  CHECK_THROWS_WITH_AS(io::parse_gguf(with_counts(0, kMaxKeys + 1)),
                       "GGUF byte 16, header: number of keys: expected at most 65536, got 65537", FormatError);
  CHECK_THROWS_WITH_AS(io::parse_gguf(with_counts(kMaxTensors + 1, 0)),
                       "GGUF byte 8, header: number of tensors: expected at most 262144, got 262145", FormatError);
  // With one less, the zeros are read and refused as keys.
  CHECK_THROWS_WITH_AS(io::parse_gguf(with_counts(0, kMaxKeys)),
                       "GGUF byte 24, key 1 of 65536: key: expected a length of 1 to 65536, got 0", FormatError);
}

TEST_CASE("a token is not longer than its limit") {
  std::vector<std::string> texts;
  const std::vector<int64_t> types = {1, 1};
  io::Metadata metadata = many_tokens(texts, types);
  CHECK(text::load_tokenizer(metadata, nullptr).has_value());
  const std::string longest(kMaxTokenBytes, 'x'), longer(kMaxTokenBytes + 1, 'x');
  for (const std::string* text : {&longest, &longer}) {
    io::Metadata other;
    for (const std::string& key : metadata.keys()) {
      if (key != "tokenizer.ggml.tokens" && key != "tokenizer.ggml.merges") other.add(key, *metadata.find(key));
    }
    other.add("tokenizer.ggml.tokens", std::vector<std::string_view>{"a", *text});
    other.add("tokenizer.ggml.merges", std::vector<std::string_view>());
    if (text == &longest) {
      CHECK(text::load_tokenizer(other, nullptr)->encode("a") == std::vector<int32_t>{0});
    } else {
      CHECK_THROWS_WITH_AS(text::load_tokenizer(other, nullptr),
                           "tokenizer.ggml.tokens[1]: expected at most 1024 bytes, got 1025", FormatError);
    }
  }
}

TEST_CASE("tokens that share a hash are refused before they take quadratic time") {
  constexpr size_t kCount = 1200, kSlots = 4096;  // the table has at least twice as many slots as tokens
  std::vector<std::string> texts = {"t0", "t1"};
  for (int64_t i = 0; texts.size() < kCount; ++i) {
    const std::string text = "x" + std::to_string(i);
    if (std::hash<std::string_view>{}(text) % kSlots == 7) texts.push_back(text);
  }
  io::Metadata metadata;
  const std::vector<int64_t> types(kCount, 1);
  metadata.add("tokenizer.ggml.model", std::string_view("gemma4"));
  metadata.add("tokenizer.ggml.tokens", std::vector<std::string_view>(texts.begin(), texts.end()));
  metadata.add("tokenizer.ggml.token_type", types);
  CHECK_THROWS_WITH_AS(text::load_tokenizer(metadata, nullptr),
                       doctest::Contains("expected tokens of different hashes, got 1025 that share one"), FormatError);
}

TEST_CASE("a caller can end the reading of a file") {
  const std::vector<std::byte> bytes = with_strings(20000);
  int polls = 0;
  const auto count = [&polls] { return ++polls, false; };
  CHECK(io::parse_gguf(bytes, count).metadata.find_strings("list")->size() == 20000);
  CHECK(polls >= 4);
  for (int last = 1; last <= polls; ++last) {
    int left = last;
    CHECK_THROWS_AS(io::parse_gguf(bytes, [&left] { return --left == 0; }), Interrupted);
    CHECK(left == 0);
  }
  CHECK_THROWS_AS(Checkpoint::parse(bytes, nullptr, [] { return true; }), Interrupted);
}

TEST_CASE("a caller can end the reading of a tokenizer") {
  std::vector<std::string> texts;
  const std::vector<int64_t> types(10000, 1);
  const io::Metadata metadata = many_tokens(texts, types);
  int polls = 0;
  CHECK(text::load_tokenizer(metadata, nullptr, [&polls] { return ++polls, false; })->vocab_size() == 10000);
  CHECK(polls >= 4);
  for (int last = 1; last <= polls; ++last) {
    int left = last;
    CHECK_THROWS_AS(text::load_tokenizer(metadata, nullptr, [&left] { return --left == 0; }), Interrupted);
  }
}

TEST_CASE("the number of sequences is limited") {
  const Model model(tests::TinyCheckpoint().get(), {.device = "cpu", .num_threads = 1});
  CHECK_THROWS_WITH_AS(Session(model, kMaxBatch + 1), "batch_size: expected 1 to 4096, got 4097", ArgumentError);
  CHECK_THROWS_AS(Session(model, int64_t{1} << 40), ArgumentError);
  CHECK_THROWS_AS(model.generate(std::vector<std::vector<int32_t>>(kMaxBatch + 1, {1}), {}), ArgumentError);
}

}  // namespace gesso
