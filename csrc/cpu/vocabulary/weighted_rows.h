// The inner loop of a sum of table rows.
#pragma once

#include <cstdint>

namespace gesso::cpu {

// Rows summed in float32 before the sum should end in double.
constexpr int64_t kMaxWeightedRows = 64;
// Columns come in multiples of it.
constexpr int64_t kWeightedColumns = 128;

// sums[c] = [sums[c] +] weights[0] * rows[0][c] + weights[1] * rows[1][c] + ..., in this order, for c < columns.
// continues: whether sums hold something.
void add_weighted_rows(const float* weights, const float* const* rows, int64_t count, int64_t columns, bool continues,
                       float* sums);

// total[c] += sums[c]
void add_to_double(const float* sums, int64_t columns, double* total);

}  // namespace gesso::cpu
