#include "cpu/vocabulary/weighted_rows.h"

#include "cpu/simd/lanes.h"

namespace gesso::cpu {

GESSO_TARGETS
void add_weighted_rows(const float* weights, const float* const* rows, int64_t count, int64_t columns, bool continues,
                       float* sums) {
  constexpr int kParts = kWeightedColumns / kLanes;  // the sums of 128 columns stay in registers
  for (int64_t column = 0; column < columns; column += kWeightedColumns) {
    Lanes parts[kParts] = {};
    if (continues) {
      for (int n = 0; n < kParts; ++n) parts[n] = load(sums + column + n * kLanes);
    }
    for (int64_t i = 0; i < count; ++i) {
      const float* row = rows[i] + column;
      for (int n = 0; n < kParts; ++n) parts[n] += weights[i] * load(row + n * kLanes);
    }
    for (int n = 0; n < kParts; ++n) store(parts[n], sums + column + n * kLanes);
  }
}

GESSO_TARGETS
void add_to_double(const float* sums, int64_t columns, double* total) {
  for (int64_t c = 0; c < columns; ++c) total[c] += sums[c];
}

}  // namespace gesso::cpu
