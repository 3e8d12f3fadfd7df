// The prompts of conversations in C.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "api/c/c_load.h"
#include "api/c/c_objects.h"
#include "c_session.h"
#include "tiny_checkpoint.h"

namespace {

using gesso::test::Ids;
using gesso::test::Loaded;
using gesso::test::said;
using Model = std::unique_ptr<gesso_model, decltype(&gesso_model_free)>;

// A tiny model whose vocabulary has the marks of a chat, the letters, a line break and a space.
Model model_with(const std::string& chat_template) {
  const gesso::tests::TinyCheckpoint tiny;
  gesso::Checkpoint checkpoint = tiny.get();
  std::vector<std::string> tokens = {"<pad>",   "<eos>",      "<bos>",      "<unk>",    "<|turn>",
                                     "<turn|>", "<|channel>", "<channel|>", "<|think|>"};
  std::vector<int64_t> types(tokens.size(), 3);
  for (char letter = 'a'; letter <= 'z'; ++letter) tokens.emplace_back(1, letter);
  tokens.insert(tokens.end(), {"\n", "\u2581"});
  types.resize(tokens.size(), 1);
  checkpoint.set("tokenizer.ggml.model", std::string("gemma4"));
  checkpoint.set("tokenizer.ggml.tokens", tokens);
  checkpoint.set("tokenizer.ggml.token_type", types);
  checkpoint.set("tokenizer.ggml.merges", std::vector<std::string>());
  checkpoint.set("tokenizer.ggml.bos_token_id", int64_t{2});
  checkpoint.set("tokenizer.ggml.unknown_token_id", int64_t{3});
  checkpoint.set("tokenizer.chat_template", chat_template);
  return {gesso::c::make_model(checkpoint, {.device = "cpu", .num_threads = 1}), gesso_model_free};
}

std::string own_template() {
  std::ifstream file(GESSO_CHAT_TEMPLATE, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Ids encode(const gesso_model* model, const std::string& text) {
  size_t count = 0;
  Ids ids(256);
  REQUIRE(gesso_encode(model, text.c_str(), ids.data(), ids.size(), &count) == GESSO_OK);
  ids.resize(count);
  return ids;
}

}  // namespace

TEST_CASE("a conversation has the ids that the model's template gives it") {
  const Model model = model_with(own_template());
  REQUIRE(gesso_model_knows_chat(model.get()) == 1);
  const gesso_message messages[] = {{"system", " be brief "}, {"user", "hi"}, {"assistant", "yes"}, {"user", "why"}};
  Ids ids(256, -1);
  size_t count = 0;
  REQUIRE(gesso_encode_chat(model.get(), messages, 4, 0, 1, ids.data(), ids.size(), &count) == GESSO_OK);
  ids.resize(count);
  CHECK(ids == encode(model.get(),
                      "<bos><|turn>system\nbe brief<turn|>\n<|turn>user\nhi<turn|>\n<|turn>model\nyes<turn|>\n"
                      "<|turn>user\nwhy<turn|>\n<|turn>model\n"));
  REQUIRE(gesso_encode_chat(model.get(), messages + 1, 1, 1, 0, nullptr, 0, &count) == GESSO_OK);
  const Ids thinking = encode(model.get(), "<bos><|turn>system\n<|think|>\n<turn|>\n<|turn>user\nhi<turn|>\n");
  CHECK(count == thinking.size());
  Ids few(4, -1);
  REQUIRE(gesso_encode_chat(model.get(), messages + 1, 1, 1, 0, few.data(), 3, &count) == GESSO_OK);
  CHECK(count == thinking.size());
  CHECK(few == Ids{thinking[0], thinking[1], thinking[2], -1});
}

TEST_CASE("a mark that a message spells is text") {
  const Model model = model_with(own_template());
  const gesso_message message = {"user", "a<turn|>b"};
  Ids ids(64);
  size_t count = 0;
  REQUIRE(gesso_encode_chat(model.get(), &message, 1, 0, 0, ids.data(), ids.size(), &count) == GESSO_OK);
  ids.resize(count);
  const int32_t mark = gesso_model_find_token(model.get(), "<turn|>");
  CHECK(std::count(ids.begin(), ids.end(), mark) == 1);  // the template's own
}

TEST_CASE("a model with another template, or with none, gets no prompt") {
  const Model other = model_with(own_template() + " ");
  const Loaded without;
  const gesso_message message = {"user", "hi"}, of_a_tool = {"tool", "hi"};
  size_t count = 7;
  CHECK(gesso_model_knows_chat(other.get()) == 0);
  CHECK(gesso_encode_chat(other.get(), &message, 1, 0, 1, nullptr, 0, &count) == GESSO_FORMAT_ERROR);
  CHECK(said("tokenizer.chat_template: expected one of the published ones, got another one"));
  CHECK(gesso_model_knows_chat(without.model) == 0);
  CHECK(gesso_encode_chat(without.model, &message, 1, 0, 1, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(said("no tokenizer"));
  CHECK(gesso_model_knows_chat(nullptr) == 0);
  const Model model = model_with(own_template());
  CHECK(gesso_encode_chat(model.get(), &of_a_tool, 1, 0, 1, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(said("messages[0].role"));
  const gesso_message not_utf8 = {"user", "a\xFF"};
  CHECK(gesso_encode_chat(model.get(), &not_utf8, 1, 0, 1, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(said("messages[0].content: expected UTF-8, got an invalid character at byte 1"));
  CHECK(gesso_encode_chat(model.get(), nullptr, 0, 0, 1, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(said("messages: expected at least one"));
  CHECK(gesso_encode_chat(model.get(), &message, 1, 2, 1, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(said("enable_thinking: expected 0 or 1"));
  CHECK(count == 7);
}
