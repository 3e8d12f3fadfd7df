// Turns text into token ids and back, by the byte pair encoding that a checkpoint carries in its metadata.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gesso/export.h"

namespace gesso {

enum class Utf8State : uint8_t;
namespace text {
struct TokenizerTables;
}  // namespace text

// A part of a text. With parse_special, a special token that is written out in it counts as that token. Without, it is
// text, for example in what a user wrote.
struct TextPart {
  std::string_view text;  // UTF-8
  bool parse_special = true;
};

// A message of a conversation.
struct ChatMessage {
  std::string role;     // "user" or "assistant"; in the first message also "system" or "developer"
  std::string content;  // UTF-8. A marker that is spelled in it is text
};

struct ChatOptions {
  bool enable_thinking = false;       // whether the model is to think before it answers
  bool add_generation_prompt = true;  // whether the prompt ends with the beginning of the model's turn
};

// An immutable tokenizer. Copies share one set of tables, which keep the checkpoint's bytes alive. Every string_view
// below is valid as long as any copy lives. Threads: any number of threads may use a tokenizer at the same time. Token
// ids run from 0 to vocab_size() - 1. Any other id given to a member is an ArgumentError.
class GESSO_API Tokenizer {
 public:
  explicit Tokenizer(std::shared_ptr<const text::TokenizerTables> tables);

  // Ids of the UTF-8 `text`. A special token that is written out in the text becomes its one id, unless parse_special
  // is false: then its characters are encoded as any others. A word that a fine-tune has added becomes its one id in
  // any case. Where several could begin, the leftmost is taken, and of those at one place the longest. Neither <bos>
  // nor <eos> is added: chat templates write them, and encode_prompt() is for raw text. ArgumentError if the text is
  // not UTF-8, with the offset in bytes, or if it is longer than 1 GiB. `interrupted` is polled meanwhile; true ends
  // the call by throwing Interrupted.
  std::vector<int32_t> encode(std::string_view text, bool parse_special = true,
                              const std::function<bool()>& interrupted = {}) const;

  // Ids of a text that comes in parts, of which each is UTF-8. A special token must lie within one part. Other tokens
  // may reach over the border of two parts: ("a", true), ("b", false) gives the ids of "ab".
  std::vector<int32_t> encode(std::span<const TextPart> parts, const std::function<bool()>& interrupted = {}) const;

  // Ids of a prompt that no chat template wrote. If add_bos(), they begin with bos(), which is added unless the text
  // begins with it.
  std::vector<int32_t> encode_prompt(std::string_view text, const std::function<bool()>& interrupted = {}) const;
  std::vector<int32_t> encode_prompt(std::span<const TextPart> parts,
                                     const std::function<bool()>& interrupted = {}) const;

  // Whether encode_chat() can write what chat_template() would: the template is, to the byte, one of the three that
  // were published with these models, or that of a model which gesso has made.
  bool knows_chat() const;
  // Ids of a conversation, as chat_template() writes it. Like the template it takes the spaces around a message away,
  // and the thoughts of earlier replies. FormatError unless knows_chat(). ArgumentError, which names the message, for
  // what is no conversation of texts: no message at all, another role, a system message behind the first one, two
  // messages of the assistant in a row. Tools need the template itself, which the Python package runs.
  std::vector<int32_t> encode_chat(std::span<const ChatMessage> messages, const ChatOptions& options = {},
                                   const std::function<bool()>& interrupted = {}) const;

  // So many ids, at least, any text of num_bytes has. No token stands for more bytes than its spelling has. Where bytes
  // have no token, one <unk> stands for any number of characters, and this says only whether there is an id.
  int64_t fewest_ids(size_t num_bytes) const;

  // The text of `ids`, which is always valid UTF-8. Byte tokens that follow each other are read as one run. A run that
  // is not UTF-8 as a whole becomes one U+FFFD per byte. Skipped special tokens do not end a run.
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens = true) const;

  int32_t vocab_size() const;
  // A token as the vocabulary spells it: a space is U+2581, a byte is <0x0A>.
  std::string_view token(int32_t id) const;
  std::optional<int32_t> find(std::string_view token) const;
  // The bytes that a token adds to a text, which need not be UTF-8 alone: a space is a space, <0x0A> is the byte 10,
  // and a special token is its spelling.
  std::string piece(int32_t id) const;
  // Whether the token is a mark instead of text: a control, unknown or unused token, or a marker of the chat format.
  // decode() skips such tokens unless told not to. User-defined tokens that are no marker are words, which a fine-tune
  // has added.
  bool is_special(int32_t id) const;

  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;
  std::optional<int32_t> unk() const;
  std::optional<int32_t> pad() const;
  // Whether the model expects bos() in front of text that no chat template wrote.
  bool add_bos() const;

  // The Jinja source of the chat template; empty when the checkpoint has none.
  std::string_view chat_template() const;

 private:
  std::shared_ptr<const text::TokenizerTables> tables_;
};

// Decodes ids that arrive a few at a time. What push() and flush() return adds up to decode() of all the ids, wherever
// they were cut. One object serves one stream. Threads: one thread at a time may use it.
class GESSO_API StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, bool skip_special_tokens = true);

  // Returns the text that no later id can change, always whole characters. Bytes are held back while their run may
  // still turn out to be UTF-8, that is until the next token that is not a byte. On ArgumentError none of the ids is
  // consumed.
  std::string push(std::span<const int32_t> ids);

  // Returns what was held back, as if the ids ended here. Afterwards the object is as new.
  std::string flush();

 private:
  GESSO_HIDDEN void push_token(int32_t id, std::string& out);
  GESSO_HIDDEN void push_byte(uint8_t byte, std::string& out);
  GESSO_HIDDEN void end_byte_run(std::string& out);

  Tokenizer tokenizer_;
  bool skip_special_tokens_;
  std::string held_bytes_;  // the bytes of the current run, while they are a prefix of valid UTF-8
  Utf8State run_state_;     // the state after the whole current run
};

}  // namespace gesso
