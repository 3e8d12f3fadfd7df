// Vocabulary: the tokens of a model. It maps an id to the token's text and type, and a text to the id.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/poll.h"
#include "gesso/number_array.h"

namespace gesso::text {

// What stands for a space in the texts of tokens.
inline constexpr std::string_view kSpaceSymbol = "\u2581";

// The values of tokenizer.ggml.token_type.
enum class TokenType : uint8_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// The value of a byte token: 10 for "<0x0A>" or "<0x0a>". Other texts give nullopt.
std::optional<uint8_t> byte_token_value(std::string_view text);

class Vocabulary {
 public:
  // `types` has one type for each text. The vocabulary keeps views of the texts. The constructor throws a FormatError
  // with key and index for: no tokens, or more than kMaxVocabulary; different numbers of texts and types; a type
  // outside 1..6; a text that is not UTF-8 or longer than kMaxTokenBytes; the same text twice; a byte token that is not
  // spelled <0xXX> with capital digits. It polls once per token.
  Vocabulary(std::vector<std::string_view> texts, const NumberArray& types, Poll& poll);

  int32_t size() const { return static_cast<int32_t>(texts_.size()); }
  bool contains(int64_t id) const { return id >= 0 && id < static_cast<int64_t>(texts_.size()); }
  std::string_view text(int32_t id) const { return texts_[id]; }
  // Whether encode() finds the token in a text as a whole: control and user-defined tokens, and an unknown token.
  bool is_added(int32_t id) const {
    return types_[id] == TokenType::kControl || types_[id] == TokenType::kUserDefined ||
           types_[id] == TokenType::kUnknown;
  }
  // Whether the token is a mark instead of text. All control, unknown and unused tokens are. A user-defined token is
  // one only if it is a marker of the chat format: the others are words, which a fine-tune has added.
  bool is_special(int32_t id) const;
  std::optional<int32_t> find(std::string_view text) const;

 private:
  // Returns the slot that holds `text`, or the free slot where it would be inserted.
  size_t find_slot(std::string_view text) const;
  // Refuses a token whose hash more than kMaxProbes others share: a file may be made of such tokens, and would take
  // hours.
  void insert(int32_t id);

  std::vector<std::string_view> texts_;
  std::vector<TokenType> types_;
  // A hash table of ids with open addressing and linear probing, at most half full; a free slot holds kFree. It takes 8
  // to 16 bytes per token, a fraction of what std::unordered_map takes.
  static constexpr int32_t kFree = -1;
  std::vector<int32_t> slots_;
};

}  // namespace gesso::text
