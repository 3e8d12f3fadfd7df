// Finds the special tokens that are written out in a text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace gesso::text {

class SpecialTokens {
 public:
  struct Match {
    size_t begin;
    size_t end;
    int32_t token;
  };

  // The texts' bytes must outlive this. A special token without text never matches.
  explicit SpecialTokens(const Vocabulary& vocabulary);

  // The first special token that starts at `from` or later; where several start at once, the longest.
  std::optional<Match> find_next(std::string_view text, size_t from) const;

 private:
  struct Entry {
    std::string_view text;
    int32_t token;
  };
  struct Range {
    const Entry* begin = nullptr;
    const Entry* end = nullptr;
  };

  // The longest entry that `text` starts with, or nullptr.
  const Entry* find_longest(std::string_view text) const;
  // The entries of `range` with `byte` at `depth`; all are longer than that and agree before it.
  static Range narrow(Range range, size_t depth, uint8_t byte);

  std::vector<Entry> entries_;  // sorted by text, so that a prefix stands before what it begins
  std::array<Range, 256> by_first_byte_{};
};

}  // namespace gesso::text
