// Byte pair encoding (BPE) of text that contains no special tokens.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/poll.h"
#include "text/merge_table.h"
#include "text/vocabulary.h"

namespace gesso::text {

class Bpe {
 public:
  // Throws a FormatError when the vocabulary lacks a byte token and there is no `unk`: then some characters could not
  // be encoded. The Bpe keeps both references.
  Bpe(const Vocabulary& vocabulary, const MergeTable& merges, std::optional<int32_t> unk);

  // Appends the ids of `segment`, which must be valid UTF-8. The whole segment is one word: merges also join tokens
  // across spaces and line ends.
  void encode(std::string_view segment, std::vector<int32_t>& ids, Poll& poll) const;
  // Whether every byte has a token. Otherwise <unk> may stand for any number of characters.
  bool has_all_bytes() const;

 private:
  // Appends one id for each character; a space is looked up as U+2581. A character that is not a token gives the ids of
  // its bytes, or <unk>.
  void append_characters(std::string_view segment, std::vector<int32_t>& ids, Poll& poll) const;
  // Appends the ids of the character's bytes and returns true, or returns false if one of them has no token.
  bool append_bytes(std::string_view character, std::vector<int32_t>& ids) const;

  const Vocabulary& vocabulary_;
  const MergeTable& merges_;
  std::optional<int32_t> unk_;
  std::array<std::optional<int32_t>, 256> byte_tokens_;
};

}  // namespace gesso::text
