// 16 doubles, for sums of 16 floats at a time.
#pragma once

#include "cpu/simd/lanes.h"

namespace gesso::cpu {

typedef double DoubleLanes __attribute__((vector_size(kLanes * sizeof(double))));

GESSO_INLINE DoubleLanes load(const double* x) {
  DoubleLanes lanes;
  std::memcpy(&lanes, x, sizeof(lanes));
  return lanes;
}

GESSO_INLINE void store(DoubleLanes lanes, double* out) { std::memcpy(out, &lanes, sizeof(lanes)); }

GESSO_INLINE DoubleLanes to_double(Lanes x) { return __builtin_convertvector(x, DoubleLanes); }

// Returns the sum of all lanes, added in pairs: 16 -> 8 -> 4 -> 2 -> 1.
GESSO_INLINE double sum_lanes(DoubleLanes x) {
  double sums[kLanes];
  store(x, sums);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) sums[i] += sums[i + width];
  }
  return sums[0];
}

}  // namespace gesso::cpu
