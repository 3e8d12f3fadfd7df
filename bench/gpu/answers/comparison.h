// How far a device's logits are from those of the CPU without rounding. The tests of whole models measure with it, too.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gesso::bench {

struct LogitDifference {
  // The relative error of a row is the root mean square of its error over that of the row. This is the worst among the
  // better three quarters of the rows. In the others a rounding may have changed the router's choice, since scores
  // nearly tie in small random models. Infinite if more rows than those have a logit that is not finite.
  double relative_error;
  // Twice what independent roundings add up to. Each layer has six products in a row with two operands each;
  // self-conditioning and head together count as one more layer.
  double largest_relative_error;

  double mean_kl;  // KL(expected || got) in nats, the mean over all rows; NaN if a logit is not finite
  // A sixteenth of what the rows know, the mean of KL(expected || uniform): a quarter of the rows may have other
  // experts, and lose a quarter of what they know. A row of garbage loses all of it, or more.
  double largest_mean_kl;

  double argmax_agreement;  // share of the rows

  std::string problems() const;  // empty: both are within the rule
};

// Compares logits row by row, over any number of calls.
class LogitComparison {
 public:
  // Both are [rows, vocab].
  void add(std::span<const float> got, std::span<const float> expected, int64_t vocab);

  // For a model of so many layers, on a device that rounds activations to "bf16" or "int8".
  LogitDifference result(const std::string& activations, int64_t num_layers) const;

 private:
  std::vector<double> errors_;  // of each row
  double kl_ = 0, known_ = 0;
  int64_t agreeing_ = 0;
};

}  // namespace gesso::bench
