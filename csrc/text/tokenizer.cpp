#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "core/check.h"
#include "core/poll.h"
#include "core/utf8.h"
#include "gesso/limits.h"
#include "text/bpe.h"
#include "text/chat.h"
#include "text/merge_table.h"
#include "text/special_tokens.h"
#include "text/vocabulary.h"

namespace gesso {
namespace text {

// All that a tokenizer needs. Its members refer to each other, so it must not be copied or moved.
struct TokenizerTables {
  TokenizerTables(const io::Metadata& metadata, std::shared_ptr<const void> owner, Poll poll);
  TokenizerTables(const TokenizerTables&) = delete;
  TokenizerTables& operator=(const TokenizerTables&) = delete;

  std::shared_ptr<const void> owner;
  Vocabulary vocabulary;
  size_t longest_token;  // in bytes
  SpecialTokens special_tokens;
  std::optional<int32_t> bos, eos, unk, pad;
  bool add_bos;
  MergeTable merges;
  Bpe bpe;
  std::string_view chat_template;
  std::optional<ChatForm> chat_form;
};

namespace {

// WordMerger counts tokens with 32 bits. A text of n bytes gives at most 3 n tokens before merging: a space that is no
// token becomes the three byte tokens of U+2581.
static_assert(3 * kMaxTextBytes < std::numeric_limits<uint32_t>::max());

void check_model(const io::Metadata& metadata) {
  const std::string_view model = metadata.get_string("tokenizer.ggml.model");
  if (model != "gemma4") {
    throw FormatError(
        concat("tokenizer.ggml.model: expected one of the supported: \"gemma4\"; got ", io::quoted(model)));
  }
}

template <typename Array>
const Array& require(const Array* array, const char* key) {
  check_format(array != nullptr, key, ": expected an array, got no such key");
  return *array;
}

Vocabulary load_vocabulary(const io::Metadata& metadata, Poll& poll) {
  return {require(metadata.find_strings("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens"),
          require(metadata.find_ints("tokenizer.ggml.token_type"), "tokenizer.ggml.token_type"), poll};
}

std::optional<int32_t> find_id(const io::Metadata& metadata, const std::string& key, const Vocabulary& vocabulary) {
  if (!metadata.has(key)) return std::nullopt;
  const int64_t id = metadata.get_int(key);
  check_format(vocabulary.contains(id), key, ": expected a token id from 0 to ", vocabulary.size() - 1, ", got ", id);
  return static_cast<int32_t>(id);
}

std::string_view load_chat_template(const io::Metadata& metadata) {
  const std::string_view source = metadata.get_string("tokenizer.chat_template", "");
  const size_t invalid = find_invalid_utf8(source);
  check_format(invalid == std::string_view::npos, "tokenizer.chat_template: expected UTF-8, got an invalid character ",
               "at byte ", invalid);
  return source;
}

void check_parts(std::span<const TextPart> parts, Poll& poll) {
  size_t num_bytes = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const TextPart& part = parts[i];
    check(part.text.size() <= size_t{kMaxTextBytes} - num_bytes, "text: expected at most ", kMaxTextBytes,
          " bytes, got more");
    num_bytes += part.text.size();
    const size_t invalid = find_invalid_utf8(part.text, &poll);
    check(invalid == std::string_view::npos, parts.size() == 1 ? "text" : concat("texts[", i, "]"),
          ": expected UTF-8, got an invalid character at byte ", invalid);
  }
}

size_t longest_token(const Vocabulary& vocabulary) {
  size_t longest = 1;
  for (int32_t id = 0; id < vocabulary.size(); ++id) longest = std::max(longest, vocabulary.text(id).size());
  return longest;
}

}  // namespace

TokenizerTables::TokenizerTables(const io::Metadata& metadata, std::shared_ptr<const void> owner, Poll poll)
    : owner(std::move(owner)),
      vocabulary(load_vocabulary(metadata, poll)),
      longest_token(text::longest_token(vocabulary)),
      special_tokens(vocabulary),
      bos(find_id(metadata, "tokenizer.ggml.bos_token_id", vocabulary)),
      eos(find_id(metadata, "tokenizer.ggml.eos_token_id", vocabulary)),
      unk(find_id(metadata, "tokenizer.ggml.unknown_token_id", vocabulary)),
      pad(find_id(metadata, "tokenizer.ggml.padding_token_id", vocabulary)),
      add_bos(metadata.get_bool("tokenizer.ggml.add_bos_token", true)),
      merges(vocabulary, require(metadata.find_strings("tokenizer.ggml.merges"), "tokenizer.ggml.merges"), poll),
      bpe(vocabulary, merges, unk),
      chat_template(load_chat_template(metadata)),
      chat_form(text::chat_form(chat_template)) {}

std::optional<Tokenizer> load_tokenizer(const io::Metadata& metadata, std::shared_ptr<const void> owner,
                                        const std::function<bool()>& interrupted) {
  if (!metadata.has("tokenizer.ggml.tokens")) return std::nullopt;
  check_model(metadata);
  return Tokenizer(std::make_shared<const TokenizerTables>(metadata, std::move(owner), Poll(interrupted)));
}

}  // namespace text

Tokenizer::Tokenizer(std::shared_ptr<const text::TokenizerTables> tables) : tables_(std::move(tables)) {}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool parse_special,
                                       const std::function<bool()>& interrupted) const {
  return encode(std::array{TextPart{text, parse_special}}, interrupted);
}

std::vector<int32_t> Tokenizer::encode(std::span<const TextPart> parts,
                                       const std::function<bool()>& interrupted) const {
  Poll poll(interrupted);
  text::check_parts(parts, poll);
  std::vector<int32_t> ids;
  std::string pending;  // text behind the last special token, which is encoded as a whole
  for (const auto [text, parse_special] : parts) {
    size_t from = 0;
    while (const auto match = tables_->special_tokens.find_next(text, from, poll)) {
      if (parse_special || !tables_->vocabulary.is_special(match->token)) {
        pending += text.substr(from, match->begin - from);
        tables_->bpe.encode(pending, ids, poll);
        pending.clear();
        ids.push_back(match->token);
      } else {
        pending += text.substr(from, match->end - from);
      }
      from = match->end;
    }
    pending += text.substr(from);
  }
  tables_->bpe.encode(pending, ids, poll);
  return ids;
}

std::vector<int32_t> Tokenizer::encode_prompt(std::string_view text, const std::function<bool()>& interrupted) const {
  return encode_prompt(std::array{TextPart{text}}, interrupted);
}

std::vector<int32_t> Tokenizer::encode_prompt(std::span<const TextPart> parts,
                                              const std::function<bool()>& interrupted) const {
  std::vector<int32_t> ids = encode(parts, interrupted);
  if (add_bos() && bos() && (ids.empty() || ids[0] != *bos())) ids.insert(ids.begin(), *bos());
  return ids;
}

bool Tokenizer::knows_chat() const { return tables_->chat_form.has_value(); }

std::vector<int32_t> Tokenizer::encode_chat(std::span<const ChatMessage> messages, const ChatOptions& options,
                                            const std::function<bool()>& interrupted) const {
  check_format(knows_chat(), chat_template().empty()
                                 ? "tokenizer.chat_template: expected one of the published ones, got no such key"
                                 : "tokenizer.chat_template: expected one of the published ones, got another one");
  const std::string_view bos_text = bos() ? token(*bos()) : std::string_view();
  const std::vector<text::ChatPiece> pieces = text::render_chat(*tables_->chat_form, bos_text, messages, options);
  std::vector<TextPart> parts;
  for (const text::ChatPiece& piece : pieces) parts.push_back({piece.text, piece.is_markup});
  return encode(parts, interrupted);
}

int64_t Tokenizer::fewest_ids(size_t num_bytes) const {
  if (!tables_->bpe.has_all_bytes()) return num_bytes > 0;
  return static_cast<int64_t>(num_bytes / tables_->longest_token + (num_bytes % tables_->longest_token > 0));
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  StreamDecoder decoder(*this, skip_special_tokens);
  std::string decoded = decoder.push(ids);
  return decoded += decoder.flush();
}

int32_t Tokenizer::vocab_size() const { return tables_->vocabulary.size(); }

std::string_view Tokenizer::token(int32_t id) const {
  check(tables_->vocabulary.contains(id), "id: expected a token id from 0 to ", vocab_size() - 1, ", got ", id);
  return tables_->vocabulary.text(id);
}

std::optional<int32_t> Tokenizer::find(std::string_view token) const { return tables_->vocabulary.find(token); }

bool Tokenizer::is_special(int32_t id) const {
  check(tables_->vocabulary.contains(id), "id: expected a token id from 0 to ", vocab_size() - 1, ", got ", id);
  return tables_->vocabulary.is_special(id);
}

std::optional<int32_t> Tokenizer::bos() const { return tables_->bos; }
std::optional<int32_t> Tokenizer::eos() const { return tables_->eos; }
std::optional<int32_t> Tokenizer::unk() const { return tables_->unk; }
std::optional<int32_t> Tokenizer::pad() const { return tables_->pad; }
bool Tokenizer::add_bos() const { return tables_->add_bos; }
std::string_view Tokenizer::chat_template() const { return tables_->chat_template; }

}  // namespace gesso
