// A product of matrices. Each column of the result has a lane of its own. Its bits depend neither on the other lanes
// nor on how many rows are computed at once. The product uses fused multiply-adds where the machine has them. So the
// last bits are different on machines without them (x86 before AVX2).
#pragma once

#include <cstdint>
#include <span>

namespace gesso::cpu {

// c[i][lane] = c[i][lane] * factors[lane] + sum_k a[i * a_row + k * a_column] * b[k][lane], for all i and lanes. The
// sum starts at 0 and k ascends. b [depth, lanes], c [rows, lanes]; factors [lanes], or nullptr for ones.
struct LaneProduct {
  const char* name;
  int64_t rows;
  int64_t lanes;  // a multiple of 16 that divides 48
  void (*run)(const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t depth, const float* factors,
              float* c);
};

// Returns the products that this machine runs, the fastest one first.
std::span<const LaneProduct> lane_products();
inline const LaneProduct& lane_product() { return lane_products().front(); }

}  // namespace gesso::cpu
