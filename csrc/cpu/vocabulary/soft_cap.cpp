#include "cpu/vocabulary/soft_cap.h"

#include "cpu/simd/float_math.h"

namespace gesso::cpu {

GESSO_TARGETS
void soft_cap(float cap, const float* x, int64_t n, float* out) {
  GESSO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) out[i] = cap * tanh(x[i] / cap) - (x[i] - x[i]);
}

}  // namespace gesso::cpu
