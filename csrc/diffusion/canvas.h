// The block of tokens that is being refined.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gesso/generation.h"

namespace gesso::diffusion {

struct Canvas {
  // The canvas starts as uniform random ids, or as `warm_start` [C] if that is not empty. Pinned positions get their
  // ids.
  Canvas(int64_t canvas_length, int64_t vocab_size, uint64_t seed, int64_t first_position,
         const std::vector<int32_t>& warm_start, PinnedTokens pinned);

  int64_t length() const { return static_cast<int64_t>(ids.size()); }
  bool is_pinned(int64_t position) const { return is_pinned_[position] != 0; }
  // Sets the pinned positions of `tokens` [C] to their ids.
  void apply_pins(std::vector<int32_t>& tokens) const;
  // Makes the next canvas after a step: accepted positions take their draw, pinned ones stay, the others get fresh
  // noise.
  void renoise(std::span<const uint8_t> accepted, std::span<const int32_t> sampled, int64_t step);

  int64_t vocab_size = 0;
  uint64_t seed = 0;
  int64_t first_position = 0;   // absolute position of ids[0]
  std::vector<int32_t> ids;     // [C] what the next step reads
  std::vector<int32_t> argmax;  // [C] what would be committed now; before the first step the initial ids

 private:
  PinnedTokens pinned_;
  std::vector<uint8_t> is_pinned_;
};

}  // namespace gesso::diffusion
