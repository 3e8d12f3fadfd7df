// A product of matrices whose columns lie side by side in lanes, each lane with sums of its own: a lane's bits depend
// neither on the other lanes nor on how many rows are computed at once. Fused multiply-add where the machine has it, so
// machines without it (x86 before AVX2) differ in the last bits.
#pragma once

#include <cstdint>
#include <span>

namespace gesso::cpu {

// c[i][lane] = c[i][lane] * factors[lane] + sum_k a[i * a_row + k * a_column] * b[k][lane],  k ascending from a sum of
// 0 for i < rows and lane < lanes. b [depth, lanes], c [rows, lanes]; factors [lanes], or nullptr for ones.
struct LaneProduct {
  const char* name;
  int64_t rows;
  int64_t lanes;  // a multiple of 16 that divides 48
  void (*run)(const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t depth, const float* factors,
              float* c);
};

// Those that this machine runs, the best one first.
std::span<const LaneProduct> lane_products();
inline const LaneProduct& lane_product() { return lane_products().front(); }

}  // namespace gesso::cpu
