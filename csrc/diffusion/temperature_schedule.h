// The linear temperature schedule.
#pragma once

#include <cstdint>

namespace gesso::diffusion {

// T_n = t_min + (t_max - t_min) * n / N with n = N - step steps remaining, in the reference's float32 order.
inline float temperature(double t_min, double t_max, int64_t step, int64_t max_denoising_steps) {
  const float remaining = static_cast<float>(max_denoising_steps - step) / static_cast<float>(max_denoising_steps);
  return static_cast<float>(t_min) + static_cast<float>(t_max - t_min) * remaining;
}

}  // namespace gesso::diffusion
