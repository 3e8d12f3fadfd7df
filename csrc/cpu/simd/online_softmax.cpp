#include "cpu/simd/online_softmax.h"

#include "cpu/simd/float_math.h"

namespace gesso::cpu {

GESSO_TARGETS
void online_softmax(float* scores, int64_t num_keys, int64_t lanes, float* max, float* sums, float* factors) {
  for (int64_t first = 0; first < lanes; first += kLanes) {
    float block_max[kLanes], block_sum[kLanes] = {};
    for (int l = 0; l < kLanes; ++l) block_max[l] = max[first + l];
    for (int64_t j = 0; j < num_keys; ++j) {
      const float* row = scores + j * lanes + first;
      for (int l = 0; l < kLanes; ++l) block_max[l] = block_max[l] < row[l] ? row[l] : block_max[l];
    }
    for (int64_t j = 0; j < num_keys; ++j) {
      float* row = scores + j * lanes + first;
      for (int l = 0; l < kLanes; ++l) {
        row[l] = exp(row[l] - block_max[l]);
        block_sum[l] += row[l];
      }
    }
    for (int l = 0; l < kLanes; ++l) {
      const float factor = exp(max[first + l] - block_max[l]);
      factors[first + l] = factor;
      sums[first + l] = sums[first + l] * factor + block_sum[l];
      max[first + l] = block_max[l];
    }
  }
}

}  // namespace gesso::cpu
