#include "text/bpe.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>
#include <span>

#include "core/check.h"
#include "text/utf8.h"

namespace gesso::text {
namespace {

constexpr int32_t kRemoved = -1;

std::optional<int32_t> find_byte_token(const Vocabulary& vocabulary, int byte) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  const char text[] = {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
  return vocabulary.find({text, sizeof(text)});
}

// Merges the tokens of one word in place: always the pair of lowest rank, of equals the leftmost. A merged pair leaves
// its result at the left position and kRemoved at the right one. O(n log n): a doubly linked list of what remains, and
// a queue with an entry for every pair that came into being.
class WordMerger {
 public:
  WordMerger(const MergeTable& merges, std::span<int32_t> tokens) : merges_(merges), tokens_(tokens) {
    const auto size = static_cast<uint32_t>(tokens.size());
    links_.resize(size);
    for (uint32_t i = 0; i < size; ++i) links_[i] = {.previous = i - 1, .next = i + 1 < size ? i + 1 : kNone};
  }

  void run() {
    queue_all_pairs();
    while (!queue_.empty()) {
      const uint64_t entry = queue_.top();
      queue_.pop();
      const auto position = static_cast<uint32_t>(entry);
      // A stale entry: one of its two tokens has since become part of another. No two pairs share a rank.
      if (links_[position].merge_rank != entry >> 32) continue;
      merge_at(position);
    }
  }

 private:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  struct Link {
    uint32_t previous;  // kNone at the ends; 0 - 1 is kNone
    uint32_t next;
    uint32_t merge_rank = kNone;  // of this token and its next; kNone when they do not merge
    int32_t merge_result = kRemoved;
  };

  // Rank above position, so that the smallest entry is the lowest rank and of equals the leftmost.
  static uint64_t queue_entry(uint32_t rank, uint32_t position) {
    return (static_cast<uint64_t>(rank) << 32) | position;
  }

  // Notes how the token at `position` merges with its next; true when it does.
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

  // As queue_pair() for every position, but the queue is built in one go.
  void queue_all_pairs() {
    std::vector<uint64_t> entries;
    for (uint32_t i = 0; i < links_.size(); ++i) {
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

void Bpe::encode(std::string_view segment, std::vector<int32_t>& ids) const {
  const size_t start = ids.size();
  append_characters(segment, ids);
  WordMerger(merges_, std::span(ids).subspan(start)).run();
  ids.erase(std::remove(ids.begin() + static_cast<ptrdiff_t>(start), ids.end(), kRemoved), ids.end());
}

void Bpe::append_characters(std::string_view segment, std::vector<int32_t>& ids) const {
  // Unknown characters fuse into one <unk>, which waits for the next known character. Bytes do not end the wait but go
  // before it: odd, but so does the reference, and the ids must be the same.
  bool unk_waits = false;
  for (size_t i = 0; i < segment.size(); i += utf8_length(segment[i])) {
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
