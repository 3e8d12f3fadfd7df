// A libFuzzer target. For any metadata the tokenizer must load or throw FormatError. For any text, encode() must return
// ids of the vocabulary or throw ArgumentError, and what a stream returns must add up to what decode() returns.
//
// An input is: a byte of flags; a vocabulary; merges; a text. Each part but the last ends with a line "\n". A token is
// written as one type digit and its text, and ends with byte 0x1f. A merge is its text, and ends with byte 0x1f.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "gesso/error.h"
#include "text/tokenizer.h"

namespace {

constexpr char kEnd = 0x1f;

std::string_view cut(std::string_view& rest, char end) {
  const size_t size = std::min(rest.find(end), rest.size());
  const std::string_view part = rest.substr(0, size);
  rest.remove_prefix(std::min(size + 1, rest.size()));
  return part;
}

// Encodes a text and decodes the ids, at once and one by one.
void use(const gesso::Tokenizer& tokenizer, std::string_view text) {
  std::vector<int32_t> ids;
  try {
    ids = tokenizer.encode_prompt(text);
  } catch (const gesso::ArgumentError&) {
    // The text is not UTF-8. Decoding is tried with ids that spell its bytes.
    for (const char byte : text) ids.push_back(static_cast<uint8_t>(byte) % tokenizer.vocab_size());
  }
  for (const bool skip : {false, true}) {
    gesso::StreamDecoder stream(tokenizer, skip);
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.push({&id, 1});  // ArgumentError: an id that encode() invented
    streamed += stream.flush();
    if (streamed != tokenizer.decode(ids, skip)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const uint8_t flags = data[0];
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string_view tokens = cut(rest, '\n');
  std::string_view merges = cut(rest, '\n');
  std::vector<std::string_view> texts, pairs;
  std::vector<int64_t> types;
  while (!tokens.empty()) {
    const std::string_view token = cut(tokens, kEnd);
    types.push_back(token.empty() ? 0 : token[0] - '0');
    texts.push_back(token.substr(std::min<size_t>(1, token.size())));
  }
  while (!merges.empty()) pairs.push_back(cut(merges, kEnd));

  gesso::io::Metadata metadata;
  metadata.add("tokenizer.ggml.model", std::string_view("gemma4"));
  metadata.add("tokenizer.ggml.tokens", texts);
  metadata.add("tokenizer.ggml.token_type", gesso::NumberArray(types));
  metadata.add("tokenizer.ggml.merges", pairs);
  metadata.add("tokenizer.ggml.add_bos_token", (flags & 1) != 0);
  if (flags & 2) metadata.add("tokenizer.ggml.unknown_token_id", int64_t{flags >> 4});
  if (flags & 4) metadata.add("tokenizer.ggml.bos_token_id", int64_t{flags >> 5});
  if (flags & 8) metadata.add("tokenizer.chat_template", rest);
  try {
    use(gesso::text::load_tokenizer(metadata, nullptr).value(), rest);
  } catch (const gesso::FormatError&) {
    // A broken vocabulary may be answered with this error. Any other exception ends the run.
  }
  return 0;
}
