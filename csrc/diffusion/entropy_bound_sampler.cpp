#include "diffusion/entropy_bound_sampler.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gesso::diffusion {

std::vector<uint8_t> accept(const Canvas& canvas, std::span<const float> entropies, float entropy_bound) {
  std::vector<uint8_t> accepted(canvas.length(), 0);
  std::vector<int64_t> order;
  for (int64_t i = 0; i < canvas.length(); ++i) {
    if (canvas.is_pinned(i)) {
      accepted[i] = 1;
    } else {
      order.push_back(i);
    }
  }
  // The order of the sort must be total, even with a NaN (from broken weights): a NaN comes last. Of equal entropies
  // the first position comes first.
  const auto rank = [&](int64_t i) { return std::pair(std::isnan(entropies[i]) ? INFINITY : entropies[i], i); };
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return rank(a) < rank(b); });
  double running = 0;  // as in torch, whose cumsum of float32 adds in double and rounds each sum
  for (int64_t position : order) {
    running += entropies[position];
    accepted[position] = static_cast<float>(running) - entropies[position] <= entropy_bound;
  }
  return accepted;
}

}  // namespace gesso::diffusion
