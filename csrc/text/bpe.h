// Byte pair encoding of text without special tokens.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/merge_table.h"
#include "text/vocabulary.h"

namespace gesso::text {

class Bpe {
 public:
  // FormatError when neither bytes nor `unk` could stand for an unknown character. Both references must outlive this.
  Bpe(const Vocabulary& vocabulary, const MergeTable& merges, std::optional<int32_t> unk);

  // Appends the ids of `segment`, valid UTF-8. The whole segment is one word: merges reach across spaces and lines.
  void encode(std::string_view segment, std::vector<int32_t>& ids) const;

 private:
  // Appends one id per character, with spaces spelled U+2581; per byte for a character that is no token.
  void append_characters(std::string_view segment, std::vector<int32_t>& ids) const;
  bool append_bytes(std::string_view character, std::vector<int32_t>& ids) const;

  const Vocabulary& vocabulary_;
  const MergeTable& merges_;
  std::optional<int32_t> unk_;
  std::array<std::optional<int32_t>, 256> byte_tokens_;
};

}  // namespace gesso::text
