// The tokens with the largest z of a row.
#pragma once

#include <cstdint>
#include <span>

#include "ops/token_stats.h"

namespace gesso::cpu {

// The part of row r in stats.top, which is as token_stats has it.
std::span<ops::TopToken> top_of_row(const ops::TokenStats& stats, int64_t r);

// Takes the `count` logits z from token `first` on. Chunks come in the order of their tokens; the first one (`first` =
// 0) overwrites `top`.
void add_to_top(const float* z, int64_t count, int64_t first, std::span<ops::TopToken> top);

}  // namespace gesso::cpu
