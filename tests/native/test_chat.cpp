// Prompts of conversations, as tests/golden/chat has them of the three published templates, and what is no such prompt.
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gesso/error.h"
#include "text/chat.h"
#include "text/sha256.h"

namespace {

using gesso::ChatMessage;
using gesso::ChatOptions;
using gesso::text::ChatForm;
using gesso::text::ChatPiece;

constexpr ChatForm kWithEmptyThought = {true}, kPlain = {false};

std::vector<ChatPiece> pieces_of(const ChatForm& form, const std::vector<ChatMessage>& messages,
                                 const ChatOptions& options = {}) {
  return gesso::text::render_chat(form, "<bos>", messages, options);
}

std::string rendered(const ChatForm& form, const std::vector<ChatMessage>& messages, const ChatOptions& options = {}) {
  std::string text;
  for (const ChatPiece& piece : pieces_of(form, messages, options)) text += piece.text;
  return text;
}

std::string said(const std::string& role, const std::string& content) {
  return rendered(kPlain, {{role, content}}, {false, false});
}

std::string problem(const std::vector<ChatMessage>& messages) {
  try {
    rendered(kPlain, messages);
  } catch (const gesso::ArgumentError& error) {
    return error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("SHA-256 of texts of every length around a block's") {
  using gesso::text::sha256;
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256(std::string(55, 'a')) == "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  CHECK(sha256(std::string(64, 'a')) == "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

TEST_CASE("the template of gesso's own models is known, and none that differs from it") {
  std::ifstream file(GESSO_CHAT_TEMPLATE, std::ios::binary);
  const std::string own{std::istreambuf_iterator<char>(file), {}};
  REQUIRE(gesso::text::chat_form(own));
  CHECK(!gesso::text::chat_form(own)->has_empty_thought);
  CHECK(!gesso::text::chat_form(own + "\n"));
  CHECK(!gesso::text::chat_form(own.substr(1)));
  CHECK(!gesso::text::chat_form("{{ messages }}"));
  CHECK(!gesso::text::chat_form(""));
}

TEST_CASE("prompts are those that the published templates write") {
  const std::vector<ChatMessage> user = {{"user", " hi "}};
  const std::vector<ChatMessage> with_system = {{"system", " be brief "}, {"user", " hi "}};
  const std::vector<ChatMessage> with_developer = {{"developer", "be brief"}, {"user", " hi "}};
  const std::vector<ChatMessage> several = {
      {"user", " hi "}, {"assistant", "<|channel>thought\nxx<channel|>hello "}, {"user", "more"}};
  struct Golden {
    std::vector<ChatMessage> messages;
    ChatOptions options;
    std::string text;
  };
  const std::string system = "<bos><|turn>system\nbe brief<turn|>\n", hi = "<|turn>user\nhi<turn|>\n";
  const std::string thinking = "<bos><|turn>system\n<|think|>\n";
  for (const bool is_empty_thought : {false, true}) {
    const ChatForm form = {is_empty_thought};
    const std::string begin = "<|turn>model\n",
                      answer = begin + (is_empty_thought ? "<|channel>thought\n<channel|>" : "");
    const std::vector<Golden> goldens = {
        {user, {}, "<bos>" + hi + answer},
        {user, {.enable_thinking = true}, thinking + "<turn|>\n" + hi + begin},
        {user, {.add_generation_prompt = false}, "<bos>" + hi},
        {with_system, {}, system + hi + answer},
        {with_system, {.enable_thinking = true}, thinking + "be brief<turn|>\n" + hi + begin},
        {with_developer, {}, system + hi + answer},
        {several, {}, "<bos>" + hi + begin + "hello<turn|>\n<|turn>user\nmore<turn|>\n" + answer}};
    for (const Golden& golden : goldens) CHECK(rendered(form, golden.messages, golden.options) == golden.text);
  }
}

TEST_CASE("what people wrote is no markup, and the rest is") {
  const std::vector<ChatPiece> pieces = pieces_of(kWithEmptyThought, {{"user", "<turn|>"}, {"assistant", "<bos>"}});
  std::string markup, words;
  for (const ChatPiece& piece : pieces) (piece.is_markup ? markup : words) += piece.text;
  CHECK(words == "<turn|><bos>");
  CHECK(markup == "<bos><|turn>user\n<turn|>\n<|turn>model\n<turn|>\n<|turn>model\n<|channel>thought\n<channel|>");
}

TEST_CASE("white space around a message goes, also that of other scripts, and thoughts go") {
  const auto user = [](const std::string& content) { return "<bos><|turn>user\n" + content + "<turn|>\n"; };
  const auto model = [](const std::string& content) { return "<bos><|turn>model\n" + content + "<turn|>\n"; };
  CHECK(said("user", "\t\u3000\u00a0a b\u2028\u0085\x1c\n") == user("a b"));
  CHECK(said("user", " \n ") == user(""));
  CHECK(said("user", "\u200ba") == user("\u200ba"));  // a space of no width is none
  CHECK(said("user", "<|channel>a<channel|>b") == user("<|channel>a<channel|>b"));
  CHECK(said("assistant", " <|channel>a<channel|> b <|channel>c<channel|>d") == model("b d"));
  CHECK(said("assistant", "a<|channel>b") == model("a"));
  CHECK(said("assistant", "a<channel|>b") == model("ab"));
}

TEST_CASE("what is no conversation of texts is refused, and the message is named") {
  CHECK(problem({}) == "messages: expected at least one, got none");
  CHECK(problem({{"user", "a"}, {"tool", "b"}}).find("messages[1].role: expected \"system\"") == 0);
  CHECK(problem({{"model", "a"}}).find("got \"model\"") != std::string::npos);
  CHECK(problem({{"user", "a"}, {"system", "b"}}) ==
        "messages[1].role: expected \"system\" in the first message alone");
  CHECK(problem({{"user", "a"}, {"assistant", "b"}, {"assistant", "c"}}) ==
        "messages[2].role: expected a message of the user between two of the assistant");
  CHECK(problem({{"system", "a"}, {"assistant", "b"}, {"user", "c"}, {"user", "d"}}) == "none");
}
