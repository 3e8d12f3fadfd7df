#include "comparison.h"

#include <algorithm>
#include <cmath>

namespace gesso::bench {
namespace {

// log of the sum of exp(x).
double log_sum(std::span<const float> x) {
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const float value : x) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

double divergence(std::span<const float> got, std::span<const float> expected) {
  const double log_got = log_sum(got), log_expected = log_sum(expected);
  double sum = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double log_p = expected[i] - log_expected;
    sum += std::exp(log_p) * (log_p - (got[i] - log_got));
  }
  return sum;
}

// Infinite if a logit is not finite.
double relative_rms(std::span<const float> got, std::span<const float> expected) {
  double error = 0, size = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    error += std::pow(static_cast<double>(got[i]) - expected[i], 2);
    size += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::isfinite(error) ? std::sqrt(error / size) : INFINITY;
}

}  // namespace

void LogitComparison::add(std::span<const float> got, std::span<const float> expected, int64_t vocab) {
  for (size_t at = 0; at < expected.size(); at += vocab) {
    const auto a = got.subspan(at, vocab), b = expected.subspan(at, vocab);
    errors_.push_back(relative_rms(a, b));
    kl_ += divergence(a, b);
    agreeing_ += std::max_element(a.begin(), a.end()) - a.begin() == std::max_element(b.begin(), b.end()) - b.begin();
  }
}

double LogitComparison::relative_error() const {
  std::vector<double> sorted = errors_;
  std::sort(sorted.begin(), sorted.end());
  return sorted[static_cast<size_t>(std::lround(0.75 * static_cast<double>(sorted.size() - 1)))];
}

double LogitComparison::mean_kl() const { return kl_ / static_cast<double>(errors_.size()); }

double LogitComparison::argmax_agreement() const {
  return static_cast<double>(agreeing_) / static_cast<double>(errors_.size());
}

double largest_relative_error(const std::string& activations, int64_t num_layers) {
  // bf16 has 8 bits of precision. An int8 step is 1/127 of a block's largest value, which is about three times the
  // block's root mean square.
  const double rounding = activations == "int8" ? 3 / 127.0 / std::sqrt(12.0) : std::exp2(-9);
  return 2 * rounding * std::sqrt(2.0 * 6 * static_cast<double>(num_layers + 1));
}

}  // namespace gesso::bench
