#include "cpu/simd/weighted_rows.h"

#include "cpu/simd/double_lanes.h"

namespace gesso::cpu {
namespace {

// Of N x 16 columns, which stay in registers.
template <int N>
GESSO_INLINE void add_columns(const float* weights, const float* const* rows, int64_t count, int64_t column,
                              double* sums) {
  Lanes partial[N] = {};
  for (int64_t i = 0; i < count; ++i) {
    const float* row = rows[i] + column;
    for (int n = 0; n < N; ++n) partial[n] += weights[i] * load(row + n * kLanes);
  }
  for (int n = 0; n < N; ++n) {
    double* target = sums + column + n * kLanes;
    store(load(target) + to_double(partial[n]), target);
  }
}

}  // namespace

GESSO_TARGETS
void add_weighted_rows(const float* weights, const float* const* rows, int64_t count, int64_t columns, double* sums) {
  constexpr int kUnroll = 8;
  int64_t column = 0;
  for (; column + kUnroll * kLanes <= columns; column += kUnroll * kLanes) {
    add_columns<kUnroll>(weights, rows, count, column, sums);
  }
  for (; column < columns; column += kLanes) add_columns<1>(weights, rows, count, column, sums);
}

}  // namespace gesso::cpu
