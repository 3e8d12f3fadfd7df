#include "cpu/vocabulary/top_tokens.h"

#include <algorithm>

#include "cpu/vocabulary/token_weights.h"

namespace gesso::cpu {
namespace {

// Of two equal z the token that is there already stays in front: its id is lower.
void insert(ops::TopToken token, std::span<ops::TopToken> top) {
  size_t place = top.size() - 1;
  for (; place > 0 && top[place - 1].z < token.z; --place) top[place] = top[place - 1];
  top[place] = token;
}

}  // namespace

std::span<ops::TopToken> top_of_row(const ops::TokenStats& stats, int64_t r) {
  return stats.top.subspan(r * stats.num_top(), stats.num_top());
}

void add_to_top(const float* z, int64_t count, int64_t first, std::span<ops::TopToken> top) {
  constexpr int64_t kTokens = 64;  // that are passed over at once if none is large enough
  if (top.empty()) return;
  if (first == 0) std::ranges::fill(top, ops::TopToken());
  for (int64_t begin = 0; begin < count; begin += kTokens) {
    const int64_t end = std::min(begin + kTokens, count);
    if (!(largest(z + begin, end - begin) > top.back().z)) continue;
    for (int64_t i = begin; i < end; ++i) {
      if (z[i] > top.back().z) insert({z[i], static_cast<int32_t>(first + i)}, top);
    }
  }
}

}  // namespace gesso::cpu
