#include "truncated_sum.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace gesso::emulator {
namespace {

// Toward zero. But what is beyond float32 becomes infinite.
float to_float(double value) {
  const auto nearest = static_cast<float>(value);
  if (std::isinf(nearest) || std::abs(static_cast<double>(nearest)) <= std::abs(value)) return nearest;
  return std::nextafter(nearest, 0.0f);
}

// These two are faster than the library's functions, which also handle what no product of floats is.
int exponent_of(double value) { return static_cast<int>(std::bit_cast<uint64_t>(value) >> 52) - 1023; }
double power_of_two(int power) { return std::bit_cast<double>(static_cast<uint64_t>(1023 + power) << 52); }

}  // namespace

SumRule sum_rule(int architecture) { return architecture < 90 ? SumRule{8, 24} : SumRule{16, 25}; }

float truncated_sum(float sum, const double* products, size_t count, int num_bits) {
  double plain = static_cast<double>(sum), largest = std::abs(plain);
  for (size_t i = 0; i < count; ++i) {
    plain += products[i];
    largest = std::max(largest, std::abs(products[i]));
  }
  if (!std::isfinite(plain) || largest == 0) return static_cast<float>(plain);
  // In units of the last place that is kept, each of at most 65 terms is below 2^(num_bits + 1). A double holds the
  // sum.
  const int power = num_bits - exponent_of(largest);
  const double units = power_of_two(power);
  const auto cut = [&](double value) { return static_cast<int64_t>(value * units); };
  int64_t total = cut(static_cast<double>(sum));
  for (size_t i = 0; i < count; ++i) total += cut(products[i]);
  return to_float(static_cast<double>(total) * power_of_two(-power));
}

}  // namespace gesso::emulator
