// The inner loop that adds up rows of a table, each multiplied by a weight.
#pragma once

#include <cstdint>

namespace gesso::cpu {

// After so many rows, a sum in float32 should be added to a sum in double.
constexpr int64_t kMaxWeightedRows = 64;
// The number of columns must be a multiple of this.
constexpr int64_t kWeightedColumns = 128;

// sums[c] = weights[0] * rows[0][c] + weights[1] * rows[1][c] + ... for c < columns, added in this order. If
// `continues`, the sum begins with the old sums[c] instead of 0.
void add_weighted_rows(const float* weights, const float* const* rows, int64_t count, int64_t columns, bool continues,
                       float* sums);

// total[c] += sums[c]
void add_to_double(const float* sums, int64_t columns, double* total);

}  // namespace gesso::cpu
