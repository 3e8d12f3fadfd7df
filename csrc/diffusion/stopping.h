// When a canvas has settled.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "diffusion/canvas.h"

namespace gesso::diffusion {

// The mean of the entropies [C] over the positions that are not pinned, nats; 0 when all are.
float mean_entropy(const Canvas& canvas, std::span<const float> entropies);

// Stable and confident: the argmax canvas was unchanged for stability_threshold comparisons, and the mean entropy is
// below confidence_threshold. One object per canvas.
class Stopping {
 public:
  Stopping(int64_t stability_threshold, float confidence_threshold)
      : stability_threshold_(stability_threshold), confidence_threshold_(confidence_threshold) {}

  // Takes one step's argmax canvas [C] and mean entropy; true when the canvas may stop.
  bool update(const std::vector<int32_t>& argmax, float mean_entropy);

 private:
  int64_t stability_threshold_;
  float confidence_threshold_;
  std::vector<int32_t> previous_;
  int64_t num_unchanged_ = 0;
};

}  // namespace gesso::diffusion
