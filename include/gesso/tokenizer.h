// Text to token ids and back, by the byte pair encoding a checkpoint carries in its metadata.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gesso {

namespace text {
struct TokenizerTables;
enum class Utf8State : uint8_t;
}  // namespace text

// An immutable tokenizer. Copies share one set of tables, which keep the checkpoint's bytes alive; every string_view
// below lives as long as any copy does. Threads: any number of threads may use one at the same time.
// Token ids run from 0 to vocab_size() - 1; any other id given to a member is an ArgumentError.
class Tokenizer {
 public:
  explicit Tokenizer(std::shared_ptr<const text::TokenizerTables> tables);

  // Ids of UTF-8 `text`. Special tokens written out in the text become their one id: the leftmost, and of those the
  // longest. Adds neither <bos> nor <eos>: chat templates write them, encode_prompt() is for raw text. ArgumentError
  // with the byte offset when the text is not UTF-8, or when it is longer than 1 GiB.
  std::vector<int32_t> encode(std::string_view text) const;

  // Ids of a prompt that no chat template wrote: with bos() in front if add_bos() and the text does not begin with it.
  std::vector<int32_t> encode_prompt(std::string_view text) const;

  // Text of `ids`, always valid UTF-8. Byte tokens that follow each other are read as one run, and a run that is not
  // UTF-8 as a whole becomes one U+FFFD per byte. Skipped special tokens do not end a run.
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens = true) const;

  int32_t vocab_size() const;
  // A token as the vocabulary spells it: spaces are U+2581, a byte is <0x0A>.
  std::string_view token(int32_t id) const;
  std::optional<int32_t> find(std::string_view token) const;
  // Control and user-defined tokens: encode() recognises them in text, decode() skips them unless told not to.
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

// Decodes ids that arrive bit by bit. What push() and flush() return adds up to decode() of all the ids, wherever they
// were cut. One object serves one stream. Threads: one thread at a time may use it.
class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, bool skip_special_tokens = true);

  // The text that no later id can change, always whole characters. Bytes are held back while their run may still turn
  // out to be UTF-8, which is until the next token that is no byte. On ArgumentError nothing was consumed.
  std::string push(std::span<const int32_t> ids);

  // What was held back, as if the ids ended here; the object is then as new.
  std::string flush();

 private:
  void push_token(int32_t id, std::string& out);
  void push_byte(uint8_t byte, std::string& out);
  void end_byte_run(std::string& out);

  Tokenizer tokenizer_;
  bool skip_special_tokens_;
  std::string held_bytes_;     // the current run, while it is a prefix of valid UTF-8
  text::Utf8State run_state_;  // of the whole current run
};

}  // namespace gesso
