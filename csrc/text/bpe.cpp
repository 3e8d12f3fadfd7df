#include "text/bpe.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>
#include <span>

#include "core/check.h"
#include "core/utf8.h"

namespace gesso::text {
namespace {

constexpr int32_t kRemoved = -1;

std::optional<int32_t> find_byte_token(const Vocabulary& vocabulary, int byte) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  const char text[] = {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
  return vocabulary.find({text, sizeof(text)});
}

// Merges the tokens of one word in place. The pair of the lowest rank is always merged first; if it occurs several
// times, the leftmost is. A merge writes its result at the left position and kRemoved at the right one. The tokens that
// remain form a doubly linked list, and each pair of neighbours that can be merged gets an entry in a queue. So a word
// of n tokens takes O(n log n).
class WordMerger {
 public:
  WordMerger(const MergeTable& merges, std::span<int32_t> tokens, Poll& poll)
      : merges_(merges), tokens_(tokens), poll_(poll) {
    const auto size = static_cast<uint32_t>(tokens.size());
    links_.reserve(size);
    for (uint32_t i = 0; i < size; ++i) {
      poll_();
      links_.push_back({.previous = i - 1, .next = i + 1 < size ? i + 1 : kNone});
    }
  }

  void run() {
    queue_all_pairs();
    while (!queue_.empty()) {
      poll_();
      const uint64_t entry = queue_.top();
      queue_.pop();
      const auto position = static_cast<uint32_t>(entry);
      // The entry is out of date if one of its two tokens has become part of another since. Then the rank at this
      // position is another one, since no two pairs have the same rank.
      if (links_[position].merge_rank != entry >> 32) continue;
      merge_at(position);
    }
  }

 private:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  struct Link {
    uint32_t previous;            // kNone at the first token
    uint32_t next;                // kNone at the last token
    uint32_t merge_rank = kNone;  // of this token and the next one; kNone when there is no such merge
    int32_t merge_result = kRemoved;
  };

  // The rank is in the upper 32 bits and the position in the lower ones. So the smallest entry has the lowest rank, and
  // the leftmost position of that rank.
  static uint64_t queue_entry(uint32_t rank, uint32_t position) {
    return (static_cast<uint64_t>(rank) << 32) | position;
  }

  // Notes whether and how the token at `position` merges with the next one. Returns true if it does.
  bool look_up_pair(uint32_t position) {
    Link& link = links_[position];
    const Merge* merge = link.next == kNone ? nullptr : merges_.find(tokens_[position], tokens_[link.next]);
    link.merge_rank = merge == nullptr ? kNone : merge->rank;
    link.merge_result = merge == nullptr ? kRemoved : merge->result;
    return merge != nullptr;
  }

  void queue_pair(uint32_t position) {
    if (look_up_pair(position)) queue_.push(queue_entry(links_[position].merge_rank, position));
  }

  // Does the same as queue_pair() for every position, but builds the queue at once, which takes O(n).
  void queue_all_pairs() {
    std::vector<uint64_t> entries;
    for (uint32_t i = 0; i < links_.size(); ++i) {
      poll_();
      if (look_up_pair(i)) entries.push_back(queue_entry(links_[i].merge_rank, i));
    }
    queue_ = Queue(std::greater<>(), std::move(entries));
  }

  void merge_at(uint32_t left) {
    const uint32_t right = links_[left].next;
    const uint32_t after = links_[right].next;
    tokens_[left] = links_[left].merge_result;
    tokens_[right] = kRemoved;
    links_[right].merge_rank = kNone;
    links_[left].next = after;
    if (after != kNone) links_[after].previous = left;
    if (links_[left].previous != kNone) queue_pair(links_[left].previous);
    queue_pair(left);
  }

  using Queue = std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>>;

  const MergeTable& merges_;
  std::span<int32_t> tokens_;
  Poll& poll_;
  std::vector<Link> links_;
  Queue queue_;
};

}  // namespace

Bpe::Bpe(const Vocabulary& vocabulary, const MergeTable& merges, std::optional<int32_t> unk)
    : vocabulary_(vocabulary), merges_(merges), unk_(unk) {
  for (int byte = 0; byte < 256; ++byte) {
    byte_tokens_[byte] = find_byte_token(vocabulary, byte);
    check_format(byte_tokens_[byte] || unk, "tokenizer.ggml.unknown_token_id: expected an id, because byte ", byte,
                 " has no token, got none");
  }
}

bool Bpe::has_all_bytes() const {
  return std::all_of(byte_tokens_.begin(), byte_tokens_.end(), [](const auto& id) { return id.has_value(); });
}

void Bpe::encode(std::string_view segment, std::vector<int32_t>& ids, Poll& poll) const {
  const size_t start = ids.size();
  append_characters(segment, ids, poll);
  WordMerger(merges_, std::span(ids).subspan(start), poll).run();
  ids.erase(std::remove(ids.begin() + static_cast<ptrdiff_t>(start), ids.end(), kRemoved), ids.end());
}

void Bpe::append_characters(std::string_view segment, std::vector<int32_t>& ids, Poll& poll) const {
  // Several unknown characters in a row become one <unk>. It is appended only before the next known character, or at
  // the end. Byte tokens that come in between are appended before that <unk>. This is odd, but the reference does the
  // same, and the ids must be equal.
  bool unk_waits = false;
  for (size_t i = 0; i < segment.size(); i += utf8_length(segment[i])) {
    poll();
    const std::string_view raw = segment.substr(i, utf8_length(segment[i]));
    const std::string_view character = raw == " " ? kSpaceSymbol : raw;
    if (const std::optional<int32_t> id = vocabulary_.find(character)) {
      if (unk_waits) ids.push_back(*unk_);
      unk_waits = false;
      ids.push_back(*id);
    } else if (!append_bytes(character, ids)) {
      unk_waits = true;
    }
  }
  if (unk_waits) ids.push_back(*unk_);
}

bool Bpe::append_bytes(std::string_view character, std::vector<int32_t>& ids) const {
  const auto byte_token = [this](char byte) { return byte_tokens_[static_cast<uint8_t>(byte)]; };
  if (!std::all_of(character.begin(), character.end(), byte_token)) return false;
  for (const char byte : character) ids.push_back(*byte_token(byte));
  return true;
}

}  // namespace gesso::text
