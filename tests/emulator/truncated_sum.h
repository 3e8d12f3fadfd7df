// Sums of products as the matrix units add them, for set_truncated_sums. What is known comes from tests on hardware
// (Fasi et al. 2021, doi:10.7717/peerj-cs.330; Khattak and Mikaitis 2025, arXiv:2512.07004): products are exact. Some
// of them and the sum so far are added at once. For this they are aligned to the largest of them, and bits beyond a
// fixed place are cut off. The exact sum of the rest is cut to float32. So every rounding is toward zero.
//
//   A100          8 products of bf16 at once, 24 bits behind the leading one of the largest
//   H100          16 products of bf16 at once, 25 bits
//
// Here all architectures before 9.0 add as an A100, and the others as an H100. No tests are known of 12.x, nor of
// products of 4-bit floats. All 64 of these are added at once, with 25 bits. A sum beyond float32 becomes infinite.
#pragma once

#include <cstddef>

namespace gesso::emulator {

struct SumRule {
  size_t num_at_once;  // products of bf16
  int num_bits;        // behind the leading one of the largest
};

// Of the architecture that a kernel runs on.
SumRule sum_rule(int architecture);

// sum + the products, which are added at once.
float truncated_sum(float sum, const double* products, size_t count, int num_bits);

}  // namespace gesso::emulator
