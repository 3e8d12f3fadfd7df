// Finds special tokens, such as <bos>, and words that a fine-tune has added, where they are written out in a text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/poll.h"
#include "text/vocabulary.h"

namespace gesso::text {

class SpecialTokens {
 public:
  struct Match {
    size_t begin;
    size_t end;
    int32_t token;
  };

  // The object keeps views of the vocabulary's texts. A token whose text is empty never matches.
  explicit SpecialTokens(const Vocabulary& vocabulary);

  // Returns the first of these tokens that starts at `from` or later. If several start at the same place, the longest
  // is returned.
  std::optional<Match> find_next(std::string_view text, size_t from, Poll& poll) const;

 private:
  struct Entry {
    std::string_view text;
    int32_t token;
  };
  struct Range {
    const Entry* begin = nullptr;
    const Entry* end = nullptr;
  };

  // Returns the longest entry that `text` starts with, or nullptr. `text` must not be empty.
  const Entry* find_longest(std::string_view text) const;
  // Returns the entries of `range` that have `byte` at position `depth`. All entries of `range` must be longer than
  // `depth` bytes and have the same first `depth` bytes.
  static Range narrow(Range range, size_t depth, uint8_t byte);

  std::vector<Entry> entries_;  // sorted by text, so that "<a" stands before "<ab"
  std::array<Range, 256> by_first_byte_{};
};

}  // namespace gesso::text
