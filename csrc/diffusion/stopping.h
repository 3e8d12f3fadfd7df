// When a canvas has settled.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "diffusion/canvas.h"
#include "gesso/generation.h"

namespace gesso::diffusion {

// The mean of the entropies [C] over the positions that are not pinned, in nats. It is 0 when all are pinned.
float mean_entropy(const Canvas& canvas, std::span<const float> entropies);

// Decides when a canvas may stop: when it is stable and confident. It is stable when its argmax was the same in the
// last stability_threshold comparisons with the step before, and confident when its mean entropy is below
// confidence_threshold. Each canvas has an object of its own.
class Stopping {
 public:
  explicit Stopping(const GenerationDefaults& settings) : settings_(settings) {}

  // Takes the argmax canvas [C] and the mean entropy of one step. Returns true when the canvas may stop.
  bool update(const std::vector<int32_t>& argmax, float mean_entropy);

 private:
  GenerationDefaults settings_;
  std::vector<int32_t> previous_;
  int64_t num_unchanged_ = 0;
};

}  // namespace gesso::diffusion
