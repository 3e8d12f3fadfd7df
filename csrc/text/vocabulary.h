// The tokens of a model: id -> text and kind, text -> id.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace gesso::text {

// How tokens spell a space.
inline constexpr std::string_view kSpaceSymbol = "\u2581";

// The values of tokenizer.ggml.token_type.
enum class TokenType : uint8_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// A byte token's value: 10 for "<0x0A>". nullopt for any other text; digits may be of either case.
std::optional<uint8_t> byte_token_value(std::string_view text);

class Vocabulary {
 public:
  // One type per text. FormatError naming key and index: no tokens or more than int32 ids, lengths that differ, a type
  // outside 1..6, text that is not UTF-8, the same text twice, a byte token not spelled <0xXX> in capitals.
  // The texts' bytes must outlive the vocabulary.
  Vocabulary(std::vector<std::string_view> texts, const std::vector<int64_t>& types);

  int32_t size() const { return static_cast<int32_t>(texts_.size()); }
  bool contains(int64_t id) const { return id >= 0 && id < static_cast<int64_t>(texts_.size()); }
  std::string_view text(int32_t id) const { return texts_[id]; }
  bool is_special(int32_t id) const {
    return types_[id] == TokenType::kControl || types_[id] == TokenType::kUserDefined;
  }
  std::optional<int32_t> find(std::string_view text) const;

 private:
  // The slot that holds `text`, or the free one where it belongs.
  size_t find_slot(std::string_view text) const;
  void insert(int32_t id);

  std::vector<std::string_view> texts_;
  std::vector<TokenType> types_;
  // Open addressing with linear probing, at most half full: ids, or kFree. Node-based maps would take ten times this.
  static constexpr int32_t kFree = -1;
  std::vector<int32_t> slots_;
};

}  // namespace gesso::text
