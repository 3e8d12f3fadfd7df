// Where a committed canvas ends. Which ids are end tokens is an option, end_token_ids; defaults.cpp reads its
// default from the checkpoint, or finds them by name.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace gesso::diffusion {

// How many ids of a canvas stand before its first end token. Without an end token it is all of them. Example: with the
// end token 1, the canvas 7 8 1 9 has 2 ids that belong to the text.
inline int64_t length_before_end(const std::vector<int32_t>& canvas, const std::vector<int32_t>& end_token_ids) {
  return std::find_first_of(canvas.begin(), canvas.end(), end_token_ids.begin(), end_token_ids.end()) - canvas.begin();
}

// Turns everything behind the end token at position `length` into padding.
inline void pad_behind_end(std::vector<int32_t>& canvas, int64_t length, int32_t pad_token_id) {
  std::fill(canvas.begin() + length + 1, canvas.end(), pad_token_id);
}

}  // namespace gesso::diffusion
