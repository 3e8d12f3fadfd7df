// The window rule: how far back the rows of a sliding layer see.
#pragma once

#include <algorithm>
#include <cstdint>

#include "gesso/config.h"

namespace gesso::model {

// W for a sliding layer. It is 0 for a full layer, which sees everything.
inline int64_t window_of(const ModelConfig& config, int64_t layer) {
  return config.layers[layer].is_sliding ? config.sliding_window : 0;
}

// The first position that is seen from `position`. The window counts the position itself: with W = 4, position 10 sees
// 7, 8, 9 and 10. When encoding, this holds for each row. When denoising, all rows of a canvas see the same: what its
// first position sees, and the whole canvas.
inline int64_t first_seen(int64_t window, int64_t position) {
  return window > 0 ? std::max<int64_t>(0, position - (window - 1)) : 0;
}

}  // namespace gesso::model
