#include "text/merge_table.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string>

#include "core/check.h"
#include "gesso/limits.h"
#include "io/metadata.h"

namespace gesso::text {
namespace {

// Mixes both ids into all 64 bits, so that the low bits can serve as a slot number. The steps are the finalizer of
// splitmix64.
uint64_t hash_pair(int32_t left, int32_t right) {
  uint64_t x = (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

int32_t find_part(const Vocabulary& vocabulary, size_t rank, const char* part, std::string_view text) {
  const std::optional<int32_t> id = vocabulary.find(text);
  if (!id) {
    throw FormatError(
        concat("tokenizer.ggml.merges[", rank, "]: ", part, ": expected a token, got ", io::quoted(text)));
  }
  return *id;
}

// Returns nullopt if the joined text is not a token. Real files list such merges; they can never apply.
std::optional<Merge> parse_merge(const Vocabulary& vocabulary, size_t rank, std::string_view merge,
                                 std::string& joined) {
  const size_t space = merge.find(' ');
  if (space == std::string_view::npos || merge.find(' ', space + 1) != std::string_view::npos) {
    throw FormatError(concat("tokenizer.ggml.merges[", rank, "]: expected two tokens and one space, got ",
                             io::quoted(merge), " with ", std::count(merge.begin(), merge.end(), ' '), " spaces"));
  }
  const std::string_view left = merge.substr(0, space);
  const std::string_view right = merge.substr(space + 1);
  const int32_t left_id = find_part(vocabulary, rank, "left part", left);
  const int32_t right_id = find_part(vocabulary, rank, "right part", right);
  const std::optional<int32_t> result = vocabulary.find(joined.assign(left).append(right));
  if (!result) return std::nullopt;
  return Merge{.left = left_id, .right = right_id, .rank = static_cast<uint32_t>(rank), .result = *result};
}

}  // namespace

MergeTable::MergeTable(const Vocabulary& vocabulary, const std::vector<std::string_view>& merges, Poll& poll) {
  check_format(merges.size() <= size_t{kMaxMerges}, "tokenizer.ggml.merges: expected at most ", kMaxMerges, ", got ",
               merges.size());
  slots_.assign(std::bit_ceil(2 * merges.size() + 1), Merge{kFree, kFree, 0, kFree});
  std::string joined;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    poll();
    const std::optional<Merge> merge = parse_merge(vocabulary, rank, merges[rank], joined);
    if (merge) insert(*merge);
  }
}

void MergeTable::insert(const Merge& merge) {
  const size_t index = find_slot(merge.left, merge.right);
  const size_t probes = (index - hash_pair(merge.left, merge.right)) & (slots_.size() - 1);
  check_format(probes <= size_t{kMaxProbes}, "tokenizer.ggml.merges[", merge.rank,
               "]: expected merges of different hashes, got ", probes, " that share one");
  slots_[index] = merge;
}

const Merge* MergeTable::find(int32_t left, int32_t right) const {
  const Merge& slot = slots_[find_slot(left, right)];
  return slot.left == kFree ? nullptr : &slot;
}

size_t MergeTable::find_slot(int32_t left, int32_t right) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash_pair(left, right) & mask;
  while (slots_[slot].left != kFree && (slots_[slot].left != left || slots_[slot].right != right)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

}  // namespace gesso::text
