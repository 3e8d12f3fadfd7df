// The inner loop of a sum of table rows.
#pragma once

#include <cstdint>

namespace gesso::cpu {

// Rows summed at a time in float32.
constexpr int64_t kMaxWeightedRows = 64;
// Columns come in multiples of it.
constexpr int64_t kWeightedColumns = 16;

// sums[c] += sum_i weights[i] * rows[i][c] for i < count <= kMaxWeightedRows and c < columns. Each column is summed in
// the order of i in float32, and the result added in double.
void add_weighted_rows(const float* weights, const float* const* rows, int64_t count, int64_t columns, double* sums);

}  // namespace gesso::cpu
