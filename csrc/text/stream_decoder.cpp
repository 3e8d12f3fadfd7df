// Decodes ids to text, token by token: U+2581 becomes a space, and byte tokens become the characters that they spell.
#include "core/check.h"
#include "core/utf8.h"
#include "gesso/tokenizer.h"
#include "text/vocabulary.h"

namespace gesso {
namespace {

constexpr std::string_view kReplacement = "\uFFFD";

void append_with_spaces(std::string_view token, std::string& out) {
  for (size_t found = token.find(text::kSpaceSymbol); found != std::string_view::npos;
       found = token.find(text::kSpaceSymbol)) {
    out.append(token.substr(0, found)).push_back(' ');
    token.remove_prefix(found + text::kSpaceSymbol.size());
  }
  out.append(token);
}

void append_replacements(size_t count, std::string& out) {
  for (size_t i = 0; i < count; ++i) out.append(kReplacement);
}

}  // namespace

std::string Tokenizer::piece(int32_t id) const {
  const std::string_view spelling = token(id);
  if (const std::optional<uint8_t> byte = text::byte_token_value(spelling)) return {static_cast<char>(*byte)};
  std::string bytes;
  append_with_spaces(spelling, bytes);
  return bytes;
}

StreamDecoder::StreamDecoder(Tokenizer tokenizer, bool skip_special_tokens)
    : tokenizer_(std::move(tokenizer)), skip_special_tokens_(skip_special_tokens), run_state_(Utf8State::kComplete) {}

std::string StreamDecoder::push(std::span<const int32_t> ids) {
  for (size_t i = 0; i < ids.size(); ++i) {
    check(ids[i] >= 0 && ids[i] < tokenizer_.vocab_size(), "ids[", i, "]: expected a token id from 0 to ",
          tokenizer_.vocab_size() - 1, ", got ", ids[i]);
  }
  std::string out;
  for (const int32_t id : ids) push_token(id, out);
  return out;
}

std::string StreamDecoder::flush() {
  std::string out;
  end_byte_run(out);
  return out;
}

void StreamDecoder::push_token(int32_t id, std::string& out) {
  if (skip_special_tokens_ && tokenizer_.is_special(id)) return;
  const std::string_view token = tokenizer_.token(id);
  // The spelling decides, not the token's type: the reference too takes any token of the form <0xXX> as a byte.
  if (const std::optional<uint8_t> byte = text::byte_token_value(token)) {
    push_byte(*byte, out);
  } else {
    end_byte_run(out);
    append_with_spaces(token, out);
  }
}

void StreamDecoder::push_byte(uint8_t byte, std::string& out) {
  held_bytes_.push_back(static_cast<char>(byte));
  run_state_ = next_utf8_state(run_state_, byte);
  // A run is a series of byte tokens. One invalid byte makes all of its run so far invalid, also the characters that
  // were complete. That is why complete characters are held back until the run ends.
  if (run_state_ == Utf8State::kInvalid) {
    append_replacements(held_bytes_.size(), out);
    held_bytes_.clear();
  }
}

void StreamDecoder::end_byte_run(std::string& out) {
  if (run_state_ == Utf8State::kComplete) {
    out.append(held_bytes_);
  } else {
    append_replacements(held_bytes_.size(), out);
  }
  held_bytes_.clear();
  run_state_ = Utf8State::kComplete;
}

}  // namespace gesso
