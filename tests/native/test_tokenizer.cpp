// The tokenizer on a vocabulary that is small enough to follow by hand. tests/text compares it with the reference on
// long texts.
#include <doctest/doctest.h>

#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gesso/error.h"
#include "io/metadata.h"
#include "text/tokenizer.h"

using gesso::StreamDecoder;
using gesso::Tokenizer;
using gesso::io::Metadata;
using Ids = std::vector<int32_t>;

namespace {

constexpr int64_t kNormal = 1, kControl = 3, kUserDefined = 4, kByte = 6;

// The metadata of a checkpoint. Tests change single fields.
struct Spec {
  std::vector<std::string_view> tokens = {"<unk>", "<bos>", "<|turn>", "<|", "<0xE2>", "<0x96>", "<0x41>", "\u2581",
                                          "a",     "b",     "c",       "ab", "bc",     "abc",    "\u2581a"};
  std::vector<int64_t> types = {kControl, kControl, kUserDefined, kUserDefined, kByte,   kByte,   kByte,  kNormal,
                                kNormal,  kNormal,  kNormal,      kNormal,      kNormal, kNormal, kNormal};
  std::vector<std::string_view> merges = {"b c", "a b", "a bc", "ab c", "\u2581 a"};
  std::string_view model = "gemma4";
  int64_t unk = 0;
  bool has_unk = true;
  std::string_view chat_template = "{{ messages }}";

  Metadata metadata() const {
    Metadata metadata;
    metadata.add("tokenizer.ggml.model", model);
    metadata.add("tokenizer.ggml.tokens", tokens);
    metadata.add("tokenizer.ggml.token_type", types);
    metadata.add("tokenizer.ggml.merges", merges);
    if (has_unk) metadata.add("tokenizer.ggml.unknown_token_id", unk);
    metadata.add("tokenizer.ggml.bos_token_id", int64_t{1});
    metadata.add("tokenizer.chat_template", chat_template);
    return metadata;
  }

  Tokenizer load() const { return gesso::text::load_tokenizer(metadata(), nullptr).value(); }
};

}  // namespace

TEST_CASE("a special token in a text is text where it must not be parsed") {
  const Tokenizer tokenizer = Spec().load();
  CHECK(tokenizer.encode("a<bos>b", false) ==
        Ids{8, 0, 9, 0, 9});  // <, b, "os>" and b; unknown characters are one <unk>
  CHECK(tokenizer.encode("<bos>", true) == Ids{1});
}

TEST_CASE("parts are encoded as one text") {
  const Tokenizer tokenizer = Spec().load();
  const auto encode = [&](const std::vector<gesso::TextPart>& parts) { return tokenizer.encode(parts); };
  CHECK(encode({}) == Ids{});
  CHECK(encode({{"a", true}, {"b", false}, {"", true}, {"c", true}}) == Ids{13});  // merges cross the borders
  CHECK(encode({{"<bos>", true}, {"<bos>a", false}}) == Ids{1, 0, 9, 0, 8});
  CHECK(encode({{"<b", true}, {"os>", true}}) == Ids{0, 9, 0});  // a special token lies within one part
  CHECK(tokenizer.encode_prompt(std::vector<gesso::TextPart>{{"<bos>a", false}}) == Ids{1, 0, 9, 0, 8});
  CHECK(tokenizer.encode_prompt(std::vector<gesso::TextPart>{{"<bos>a", true}}) == Ids{1, 8});
  CHECK_THROWS_WITH_AS(encode({{"a", true}, {"\xff", true}}), doctest::Contains("expected UTF-8"),
                       gesso::ArgumentError);
}

TEST_CASE("encode merges by rank, then from the left") {
  const Tokenizer tokenizer = Spec().load();
  CHECK(tokenizer.encode("") == Ids{});
  CHECK(tokenizer.encode("abc") == Ids{13});  // first b c becomes bc, then a bc becomes abc
  CHECK(tokenizer.encode("abab") == Ids{11, 11});
  CHECK(tokenizer.encode("a a") == Ids{8, 14});  // the space becomes U+2581
}

TEST_CASE("a merge whose result is no token is skipped") {
  Spec spec;
  spec.merges.insert(spec.merges.begin(), {"b a", "ab ab"});
  const Tokenizer tokenizer = spec.load();
  CHECK(tokenizer.encode("abc") == Ids{13});  // as without them: first b c becomes bc, then a bc becomes abc
  CHECK(tokenizer.encode("ba") == Ids{9, 8});
  CHECK(tokenizer.encode("abab") == Ids{11, 11});
}

TEST_CASE("encode finds the leftmost, longest special token") {
  const Tokenizer tokenizer = Spec().load();
  CHECK(tokenizer.encode("a<|turn>bc<|") == Ids{8, 2, 12, 3});
  CHECK(tokenizer.encode("<|tur") == Ids{3, 0});  // not <|turn>, but <|; t, u and r are one <unk>
}

TEST_CASE("encode falls back to bytes, then to <unk>") {
  const Tokenizer tokenizer = Spec().load();
  CHECK(tokenizer.encode("A") == Ids{6});
  CHECK(tokenizer.encode("<0x41>") == Ids{0});     // the name of a byte token in a text is not that token
  CHECK(tokenizer.encode("xyz\u00e9") == Ids{0});  // neighbouring unknown characters become one <unk>
  CHECK(tokenizer.encode("xaya") == Ids{0, 8, 0, 8});
  CHECK(tokenizer.encode("xAy") == Ids{6, 0});  // a byte token overtakes an open <unk>, as in the reference
}

TEST_CASE("encode names the byte that is not UTF-8") {
  const Tokenizer tokenizer = Spec().load();
  for (const std::string_view bad : {"ab\xC3", "ab\xFF", "ab\x80z", "ab\xC0\xAF", "ab\xE0\x80\x80", "ab\xED\xA0\x80",
                                     "ab\xF0\x80\x80\x80", "ab\xF4\x90\x80\x80", "ab\xF5\x80\x80\x80", "ab\xE2\x96<"}) {
    CHECK_THROWS_WITH_AS(tokenizer.encode(bad), "text: expected UTF-8, got an invalid character at byte 2",
                         gesso::ArgumentError);
    const std::vector<gesso::TextPart> parts = {{"a"}, {bad}};
    CHECK_THROWS_WITH_AS(tokenizer.encode(parts), "texts[1]: expected UTF-8, got an invalid character at byte 2",
                         gesso::ArgumentError);
  }
}

TEST_CASE("decode") {
  const Tokenizer tokenizer = Spec().load();
  CHECK(tokenizer.decode(Ids{1, 14, 2, 13}) == " aabc");
  CHECK(tokenizer.decode(Ids{1, 14, 2, 13}, false) == "<bos> a<|turn>abc");
  CHECK(tokenizer.decode(Ids{8, 3, 2, 9}) == "a<|b");  // <| is a word that was added
  CHECK(tokenizer.decode(Ids{6, 8, 4, 5}) == "Aa\uFFFD\uFFFD");
  CHECK(tokenizer.decode(Ids{6, 4, 8}) == "\uFFFD\uFFFDa");  // one invalid byte spoils its whole run
  CHECK_THROWS_AS(tokenizer.decode(Ids{15}), gesso::ArgumentError);
  CHECK_THROWS_AS(tokenizer.decode(Ids{-1}), gesso::ArgumentError);
}

TEST_CASE("a stream adds up to decode, wherever it is cut") {
  Spec spec;
  spec.tokens[6] = "<0x81>";
  const Tokenizer tokenizer = spec.load();
  const Ids ids = {8, 4, 5, 6, 14, 4, 1, 5, 6, 4, 9, 5, 4};
  for (const bool skip : {true, false}) {
    const std::string whole = tokenizer.decode(ids, skip);
    for (size_t first = 0; first <= ids.size(); ++first) {
      for (size_t second = first; second <= ids.size(); ++second) {
        StreamDecoder stream(tokenizer, skip);
        const std::span<const int32_t> all(ids);
        std::string text = stream.push(all.first(first));
        text += stream.push(all.subspan(first, second - first));
        text += stream.push(all.subspan(second));
        CHECK(text + stream.flush() == whole);
      }
    }
  }
}

TEST_CASE("a stream emits text as soon as nothing can change it") {
  Spec spec;
  spec.tokens[6] = "<0x81>";
  StreamDecoder stream(spec.load());
  CHECK(stream.push(Ids{8}) == "a");
  CHECK(stream.push(Ids{4, 5}) == "");
  CHECK(stream.push(Ids{6}) == "");  // U+2581 is complete, but one more byte token could make the run invalid
  CHECK(stream.push(Ids{9}) == "\u2581b");
  CHECK(stream.push(Ids{5}) == "\uFFFD");
  CHECK_THROWS_AS(stream.push(Ids{8, 99}), gesso::ArgumentError);
  CHECK(stream.push(Ids{4, 9, 4}) == "\uFFFDb");
  CHECK(stream.flush() == "\uFFFD");
  CHECK(stream.flush() == "");
}

TEST_CASE("the vocabulary can be asked") {
  const Tokenizer tokenizer = Spec().load();
  CHECK(tokenizer.vocab_size() == 15);
  CHECK(tokenizer.token(2) == "<|turn>");
  CHECK(tokenizer.find("bc") == 12);
  CHECK(!tokenizer.find("cb"));
  CHECK(tokenizer.is_special(0));
  CHECK(tokenizer.is_special(2));   // a marker of the chat format, though its type is user-defined
  CHECK(!tokenizer.is_special(3));  // a word that was added
  CHECK(!tokenizer.is_special(4));
  CHECK(tokenizer.unk() == 0);
  CHECK(tokenizer.bos() == 1);
  CHECK(!tokenizer.eos());
  CHECK(!tokenizer.pad());
  CHECK(tokenizer.add_bos());
  CHECK(tokenizer.chat_template() == "{{ messages }}");
  CHECK_THROWS_AS(tokenizer.token(15), gesso::ArgumentError);
  CHECK_THROWS_AS(tokenizer.is_special(-1), gesso::ArgumentError);
}

TEST_CASE("the tables keep their owner alive") {
  auto owner = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = owner;
  auto tokenizer = gesso::text::load_tokenizer(Spec().metadata(), std::move(owner));
  auto stream = std::make_unique<StreamDecoder>(*tokenizer);
  tokenizer.reset();
  CHECK(!watch.expired());
  CHECK(stream->push(Ids{13}) == "abc");
  stream.reset();
  CHECK(watch.expired());
}

TEST_CASE("load_tokenizer refuses what does not fit together") {
  CHECK(!gesso::text::load_tokenizer(Metadata(), nullptr));

  Spec spec;
  std::string_view named;
  SUBCASE("model") { spec.model = "llama", named = "tokenizer.ggml.model"; }
  SUBCASE("no tokens") { spec.tokens.clear(), spec.types.clear(), named = "tokenizer.ggml.tokens"; }
  SUBCASE("token type missing") { spec.types.pop_back(), named = "tokenizer.ggml.token_type"; }
  SUBCASE("unknown token type") { spec.types[9] = 0, named = "tokenizer.ggml.token_type[9]"; }
  SUBCASE("duplicate") { spec.tokens[9] = "a", named = "tokenizer.ggml.tokens[9]"; }
  SUBCASE("token not UTF-8") { spec.tokens[9] = "\xC3", named = "tokenizer.ggml.tokens[9]"; }
  SUBCASE("byte token") { spec.types[9] = kByte, named = "tokenizer.ggml.tokens[9]"; }
  SUBCASE("byte token in lower case") { spec.tokens[4] = "<0xe2>", named = "tokenizer.ggml.tokens[4]"; }
  SUBCASE("merge without a space") { spec.merges[1] = "ab", named = "tokenizer.ggml.merges[1]"; }
  SUBCASE("merge with two spaces") { spec.merges[1] = "a b ", named = "tokenizer.ggml.merges[1]"; }
  SUBCASE("merge of an unknown part") { spec.merges[1] = "a \xC3", named = "tokenizer.ggml.merges[1]"; }
  SUBCASE("id out of range") { spec.unk = 15, named = "tokenizer.ggml.unknown_token_id"; }
  SUBCASE("chat template not UTF-8") { spec.chat_template = "{{\xFF", named = "tokenizer.chat_template"; }
  SUBCASE("neither all bytes nor <unk>") { spec.has_unk = false, named = "tokenizer.ggml.unknown_token_id"; }
  CAPTURE(named);
  try {
    spec.load();
    FAIL("expected a FormatError");
  } catch (const gesso::FormatError& error) {
    CHECK(std::string_view(error.what()).starts_with(std::string(named) + ":"));
  }
}

TEST_CASE("encoding a long text is polled at each of its stages") {
  const Tokenizer tokenizer = Spec().load();
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "ab";
  int64_t calls = 0, last = 0;
  const auto interrupted = [&] { return ++calls == last; };
  CHECK(tokenizer.encode(text, true, interrupted) == Ids(100'000, 11));
  // It reads the characters to check them, to find special tokens, to look them up, to link them and to find pairs.
  // Then it merges half as many.
  const int64_t all = calls;
  CHECK(all >= 200'000 / 4096 * 11 / 2);
  for (last = 1; last <= all; last += 7) {
    calls = 0;
    CHECK_THROWS_AS(tokenizer.encode(text, true, interrupted), gesso::Interrupted);
  }
}

TEST_CASE("how many ids a text has at least") {
  Spec spec;
  CHECK(spec.load().fewest_ids(0) == 0);
  CHECK(spec.load().fewest_ids(1000) == 1);  // all of them may be one <unk>
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) {
    if (byte == 0xE2 || byte == 0x96 || byte == 0x41) continue;
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    bytes.push_back(name);
  }
  for (const std::string& byte : bytes) {
    spec.tokens.push_back(byte);
    spec.types.push_back(kByte);
  }
  const Tokenizer tokenizer = spec.load();  // the longest are <|turn> and the spellings of bytes
  CHECK(tokenizer.fewest_ids(0) == 0);
  CHECK(tokenizer.fewest_ids(7) == 1);
  CHECK(tokenizer.fewest_ids(8) == 2);
  CHECK(tokenizer.fewest_ids(700) == 100);
}
