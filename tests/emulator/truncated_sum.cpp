#include "truncated_sum.h"

#include <algorithm>
#include <cmath>

namespace gesso::emulator {
namespace {

// Toward zero.
float to_float(double value) {
  const auto nearest = static_cast<float>(value);
  if (std::abs(static_cast<double>(nearest)) <= std::abs(value)) return nearest;
  return std::nextafter(nearest, 0.0f);
}

}  // namespace

SumRule sum_rule(int architecture) { return architecture < 90 ? SumRule{8, 24} : SumRule{16, 25}; }

float truncated_sum(float sum, const double* products, size_t count, int num_bits) {
  double plain = static_cast<double>(sum), largest = std::abs(plain);
  for (size_t i = 0; i < count; ++i) {
    plain += products[i];
    largest = std::max(largest, std::abs(products[i]));
  }
  if (!std::isfinite(plain) || largest == 0) return static_cast<float>(plain);
  // With at most 65 terms below 2^(num_bits + 1), the sum is an integer that a double holds.
  const int power = num_bits - std::ilogb(largest);
  const auto cut = [&](double value) { return std::trunc(std::scalbn(value, power)); };
  double total = cut(static_cast<double>(sum));
  for (size_t i = 0; i < count; ++i) total += cut(products[i]);
  return to_float(std::scalbn(total, -power));
}

}  // namespace gesso::emulator
