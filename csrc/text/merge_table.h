// The merges of a byte pair encoding: which two neighbouring tokens become one, and which pair goes first.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace gesso::text {

struct Merge {
  int32_t left;
  int32_t right;
  uint32_t rank;  // lower goes first
  int32_t result;
};

class MergeTable {
 public:
  // `merges` in order of rank, each "left right" with one space. FormatError naming the index: another number of
  // spaces, or a part or the joined text that is no token. A pair listed twice has the later rank.
  MergeTable(const Vocabulary& vocabulary, const std::vector<std::string_view>& merges);

  // The merge of two neighbours, or nullptr. Valid as long as the table.
  const Merge* find(int32_t left, int32_t right) const;

 private:
  static constexpr int32_t kFree = -1;

  size_t find_slot(int32_t left, int32_t right) const;

  // Open addressing with linear probing, at most half full; a free slot has left == kFree. The merges lie in the table
  // itself: looking up a pair, mostly one that has no merge, then costs one cache miss.
  std::vector<Merge> slots_;
};

}  // namespace gesso::text
