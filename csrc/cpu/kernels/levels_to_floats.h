// The inner loop that decodes stored integers (quant/integers.h) to floats.
#pragma once

#include <cstdint>

namespace gesso::cpu {

struct LevelKind {
  int group;   // how many levels share a scale: 16 or 32
  int offset;  // the level that means 0
};

// out[j] = scales[j / group] * (levels[j] - offset) - mins[j / group], for 0 <= j < n. n must be a multiple of `group`.
// `mins` may be null.
void levels_to_floats(LevelKind kind, const uint8_t* levels, const float* scales, const float* mins, int64_t n,
                      float* out);

}  // namespace gesso::cpu
