#include "text/vocabulary.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "core/check.h"
#include "core/utf8.h"
#include "gesso/limits.h"
#include "io/metadata.h"

namespace gesso::text {
namespace {

// The markers of the chat format. GGUF files have some of them as control tokens and some as user-defined ones.
constexpr std::string_view kChatMarkers[] = {
    "<|turn>",          "<turn|>",      "<|think|>", "<|channel>", "<channel|>", "<|tool>",   "<tool|>",
    "<|tool_call>",     "<tool_call|>", "<|\"|>",    "<|image>",   "<image|>",   "<|image|>", "<|tool_response>",
    "<tool_response|>", "<|audio>",     "<audio|>",  "<|audio|>",  "<|video|>",
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool has_lower_case_digit(std::string_view byte_token) { return byte_token[3] >= 'a' || byte_token[4] >= 'a'; }

void check_token(size_t id, std::string_view text, TokenType type) {
  check_format(text.size() <= size_t{kMaxTokenBytes}, "tokenizer.ggml.tokens[", id, "]: expected at most ",
               kMaxTokenBytes, " bytes, got ", text.size());
  if (const size_t offset = find_invalid_utf8(text); offset != std::string_view::npos) {
    throw FormatError(concat("tokenizer.ggml.tokens[", id, "]: expected UTF-8, got ", io::quoted(text),
                             ", invalid at byte ", offset));
  }
  // The digits must be capitals, because Bpe looks bytes up in that spelling.
  if (type == TokenType::kByte && (!byte_token_value(text) || has_lower_case_digit(text))) {
    throw FormatError(
        concat("tokenizer.ggml.tokens[", id, "]: a byte token: expected <0x00> to <0xFF>, got ", io::quoted(text)));
  }
}

TokenType to_token_type(size_t id, int64_t value) {
  check_format(value >= 1 && value <= 6, "tokenizer.ggml.token_type[", id, "]: expected 1 to 6, got ", value);
  return static_cast<TokenType>(value);
}

}  // namespace

std::optional<uint8_t> byte_token_value(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  const int high = hex_digit(text[3]);
  const int low = hex_digit(text[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high * 16 + low);
}

Vocabulary::Vocabulary(std::vector<std::string_view> texts, const NumberArray& types, Poll& poll)
    : texts_(std::move(texts)) {
  check_format(!texts_.empty() && texts_.size() <= size_t{kMaxVocabulary}, "tokenizer.ggml.tokens: expected 1 to ",
               kMaxVocabulary, " tokens, got ", texts_.size());
  check_format(types.size == texts_.size(), "tokenizer.ggml.token_type: expected ", texts_.size(),
               " values, one for each of tokenizer.ggml.tokens, got ", types.size);
  types_.reserve(texts_.size());
  slots_.assign(std::bit_ceil(2 * texts_.size()), kFree);
  for (size_t id = 0; id < texts_.size(); ++id) {
    poll();
    types_.push_back(to_token_type(id, types.at<int64_t>(id)));
    check_token(id, texts_[id], types_[id]);
    insert(static_cast<int32_t>(id));
  }
}

bool Vocabulary::is_special(int32_t id) const {
  switch (types_[id]) {
    case TokenType::kNormal:
    case TokenType::kByte:
      return false;
    case TokenType::kUserDefined:
      return std::ranges::find(kChatMarkers, texts_[id]) != std::end(kChatMarkers);
    case TokenType::kUnknown:
    case TokenType::kControl:
    case TokenType::kUnused:
      return true;
  }
  return false;
}

std::optional<int32_t> Vocabulary::find(std::string_view text) const {
  const int32_t id = slots_[find_slot(text)];
  return id == kFree ? std::nullopt : std::optional(id);
}

size_t Vocabulary::find_slot(std::string_view text) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = std::hash<std::string_view>{}(text)&mask;
  while (slots_[slot] != kFree && texts_[slots_[slot]] != text) slot = (slot + 1) & mask;
  return slot;
}

void Vocabulary::insert(int32_t id) {
  const size_t mask = slots_.size() - 1, index = find_slot(texts_[id]);
  const size_t probes = (index - std::hash<std::string_view>{}(texts_[id])) & mask;
  check_format(probes <= size_t{kMaxProbes}, "tokenizer.ggml.tokens[", id,
               "]: expected tokens of different hashes, got ", probes, " that share one");
  int32_t& slot = slots_[index];
  if (slot != kFree) {
    throw FormatError(concat("tokenizer.ggml.tokens[", id, "]: expected a token of its own, got ",
                             io::quoted(texts_[id]), ", which token ", slot, " is already"));
  }
  slot = id;
}

}  // namespace gesso::text
