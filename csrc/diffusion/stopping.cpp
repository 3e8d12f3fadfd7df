#include "diffusion/stopping.h"

namespace gesso::diffusion {

float mean_entropy(const Canvas& canvas, std::span<const float> entropies) {
  double sum = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < canvas.length(); ++i) {
    if (canvas.is_pinned(i)) continue;
    sum += entropies[i];
    ++count;
  }
  return count > 0 ? static_cast<float>(sum / static_cast<double>(count)) : 0.0f;
}

bool Stopping::update(const std::vector<int32_t>& argmax, float mean_entropy) {
  num_unchanged_ = argmax == previous_ ? num_unchanged_ + 1 : 0;
  previous_ = argmax;
  return num_unchanged_ >= settings_.stability_threshold && mean_entropy < settings_.confidence_threshold;
}

}  // namespace gesso::diffusion
