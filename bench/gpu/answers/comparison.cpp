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

// The largest relative error that the rule allows.
double largest_relative_error(const std::string& activations, int64_t num_layers) {
  // bf16 has 8 bits of precision: half a unit is 2^-9. An int8 step is 1/127 of a block's largest value, which is about
  // three times the block's root mean square. An error that is spread evenly over a step has the root mean square
  // step / sqrt(12).
  const double rounding = activations == "int8" ? 3 / 127.0 / std::sqrt(12.0) : std::exp2(-9);
  return 2 * rounding * std::sqrt(2.0 * 6 * static_cast<double>(num_layers + 1));
}

}  // namespace

std::string LogitDifference::problems() const {
  std::string text;
  // NaN is a problem, too.
  if (!(relative_error <= largest_relative_error)) text = "most logits are too far from the CPU's";
  if (!(mean_kl <= largest_mean_kl)) text += (text.empty() ? "" : "; ") + std::string("some rows are garbage");
  return text;
}

void LogitComparison::add(std::span<const float> got, std::span<const float> expected, int64_t vocab) {
  const std::vector<float> uniform(static_cast<size_t>(vocab));
  for (size_t at = 0; at < expected.size(); at += vocab) {
    const auto a = got.subspan(at, vocab), b = expected.subspan(at, vocab);
    errors_.push_back(relative_rms(a, b));
    kl_ += divergence(a, b);
    known_ += divergence(uniform, b);
    agreeing_ += std::max_element(a.begin(), a.end()) - a.begin() == std::max_element(b.begin(), b.end()) - b.begin();
  }
}

LogitDifference LogitComparison::result(const std::string& activations, int64_t num_layers) const {
  std::vector<double> sorted = errors_;
  std::sort(sorted.begin(), sorted.end());
  const auto num_rows = static_cast<double>(sorted.size());
  return {.relative_error = sorted.at(static_cast<size_t>(std::lround(0.75 * (num_rows - 1)))),
          .largest_relative_error = largest_relative_error(activations, num_layers),
          .mean_kl = kl_ / num_rows,
          .largest_mean_kl = known_ / num_rows / 16,
          .argmax_agreement = static_cast<double>(agreeing_) / num_rows};
}

}  // namespace gesso::bench
