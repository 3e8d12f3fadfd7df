// The merges of a byte pair encoding: which two neighbouring tokens become one, and which pair is merged first.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace gesso::text {

struct Merge {
  int32_t left;
  int32_t right;
  uint32_t rank;  // the pair of the lowest rank is merged first
  int32_t result;
};

class MergeTable {
 public:
  // `merges` are in order of rank. Each is two tokens with one space between them: "th e". The constructor throws a
  // FormatError with the index for a merge with another number of spaces, and for one where a part is not a token. A
  // merge whose joined text is not a token is skipped; the ranks of the others stay. A pair that is listed twice gets
  // the later rank. More than kMaxMerges are refused. The constructor polls once per merge.
  MergeTable(const Vocabulary& vocabulary, const std::vector<std::string_view>& merges, Poll& poll);

  // Returns the merge of two neighbours, or nullptr if there is none. The pointer is valid as long as the table.
  const Merge* find(int32_t left, int32_t right) const;

 private:
  static constexpr int32_t kFree = -1;

  size_t find_slot(int32_t left, int32_t right) const;
  void insert(const Merge& merge);

  // A hash table with open addressing and linear probing, at most half full; a free slot has left == kFree. The merges
  // lie in the table itself, so that looking up a pair mostly costs one cache miss. Most pairs have no merge.
  std::vector<Merge> slots_;
};

}  // namespace gesso::text
