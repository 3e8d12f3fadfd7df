#include "diffusion/canvas.h"

#include "core/random.h"

namespace gesso::diffusion {

Canvas::Canvas(int64_t canvas_length, int64_t vocab_size, uint64_t seed, int64_t first_position,
               const std::vector<int32_t>& warm_start, PinnedTokens pinned)
    : vocab_size(vocab_size),
      seed(seed),
      first_position(first_position),
      ids(warm_start),
      pinned_(std::move(pinned)),
      is_pinned_(canvas_length, 0) {
  if (ids.empty()) {
    for (int64_t i = 0; i < canvas_length; ++i) {
      ids.push_back(uniform_id({seed, first_position + i, 0}, Draw::kInitialCanvas, vocab_size));
    }
  }
  for (const auto& [position, id] : pinned_) is_pinned_[position] = 1;
  apply_pins(ids);
  argmax = ids;
}

void Canvas::apply_pins(std::vector<int32_t>& tokens) const {
  for (const auto& [position, id] : pinned_) tokens[position] = id;
}

void Canvas::renoise(std::span<const uint8_t> accepted, std::span<const int32_t> sampled, int64_t step) {
  for (int64_t i = 0; i < length(); ++i) {
    const DrawKey key{seed, first_position + i, static_cast<int32_t>(step)};
    ids[i] = accepted[i] ? sampled[i] : uniform_id(key, Draw::kRenoise, vocab_size);
  }
  apply_pins(ids);
}

}  // namespace gesso::diffusion
