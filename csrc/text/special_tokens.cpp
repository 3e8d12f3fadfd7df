#include "text/special_tokens.h"

#include <algorithm>

namespace gesso::text {

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary) {
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.is_added(id) && !vocabulary.text(id).empty()) entries_.push_back({vocabulary.text(id), id});
  }
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.text < b.text; });
  const Range all = {entries_.data(), entries_.data() + entries_.size()};
  for (int byte = 0; byte < 256; ++byte) by_first_byte_[byte] = narrow(all, 0, static_cast<uint8_t>(byte));
}

std::optional<SpecialTokens::Match> SpecialTokens::find_next(std::string_view text, size_t from, Poll& poll) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    poll();
    if (const Entry* entry = find_longest(text.substr(begin))) {
      return Match{begin, begin + entry->text.size(), entry->token};
    }
  }
  return std::nullopt;
}

const SpecialTokens::Entry* SpecialTokens::find_longest(std::string_view text) const {
  const Entry* longest = nullptr;
  Range range = by_first_byte_[static_cast<uint8_t>(text[0])];
  // `range` holds the entries whose first `depth` bytes are those of the text.
  for (size_t depth = 1; range.begin != range.end; ++depth) {
    if (range.begin->text.size() == depth) longest = range.begin++;
    if (depth == text.size()) break;
    range = narrow(range, depth, static_cast<uint8_t>(text[depth]));
  }
  return longest;
}

SpecialTokens::Range SpecialTokens::narrow(Range range, size_t depth, uint8_t byte) {
  const auto byte_of = [depth](const Entry& entry) { return static_cast<uint8_t>(entry.text[depth]); };
  const Entry* begin =
      std::partition_point(range.begin, range.end, [&](const Entry& entry) { return byte_of(entry) < byte; });
  const Entry* end = std::partition_point(begin, range.end, [&](const Entry& entry) { return byte_of(entry) == byte; });
  return {begin, end};
}

}  // namespace gesso::text
