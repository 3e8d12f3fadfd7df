// The linear temperature schedule.
#pragma once

#include <cstdint>

namespace gesso::diffusion {

// T_n = t_min + (t_max - t_min) * n / N, where n = N - step steps remain. The order of the float32 operations is the
// reference's. Example: with t_min 0.4, t_max 0.8 and N = 4 the steps have 0.8, 0.7, 0.6 and 0.5.
inline float temperature(double t_min, double t_max, int64_t step, int64_t max_denoising_steps) {
  const float remaining = static_cast<float>(max_denoising_steps - step) / static_cast<float>(max_denoising_steps);
  return static_cast<float>(t_min) + static_cast<float>(t_max - t_min) * remaining;
}

}  // namespace gesso::diffusion
