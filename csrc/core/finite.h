// Whether numbers are finite.
#pragma once

#include <cstdint>

namespace gesso {

// Whether none of the n floats is NaN or infinite. x - x is 0 for finite x only, so that compilers can vectorise this.
inline bool all_finite(const float* x, int64_t n) {
  constexpr int64_t kChunk = 4096;  // after a chunk, a number that is not finite ends the search
  for (int64_t first = 0; first < n; first += kChunk) {
    const int64_t end = first + kChunk < n ? first + kChunk : n;
    bool is_broken = false;
    for (int64_t i = first; i < end; ++i) is_broken |= x[i] - x[i] != 0;
    if (is_broken) return false;
  }
  return true;
}

}  // namespace gesso
