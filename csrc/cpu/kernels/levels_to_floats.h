// The inner loop of decoding stored integers, see quant/integers.h.
#pragma once

#include <cstdint>

namespace gesso::cpu {

// Integers that share a scale: 16 or 32; and the one that means 0.
struct LevelKind {
  int group;
  int offset;
};

// out[j] = scales[j / group] * (levels[j] - offset) - mins[j / group], for n elements in whole groups; mins may be
// null.
void levels_to_floats(LevelKind kind, const uint8_t* levels, const float* scales, const float* mins, int64_t n,
                      float* out);

}  // namespace gesso::cpu
