// How far a device's logits are from those of the CPU without rounding.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gesso::bench {

// Compares logits row by row, over any number of calls.
class LogitComparison {
 public:
  // Both are [rows, vocab].
  void add(std::span<const float> got, std::span<const float> expected, int64_t vocab);

  // The relative error of a row is the root mean square of its error over that of the row. This is the worst among the
  // better three quarters of the rows. In the others a rounding may have changed the router's choice, since scores
  // nearly tie in small random models.
  double relative_error() const;
  double mean_kl() const;           // KL(expected || got) in nats, the mean over all rows
  double argmax_agreement() const;  // share of the rows

 private:
  std::vector<double> errors_;  // of each row
  double kl_ = 0;
  int64_t agreeing_ = 0;
};

// The largest relative error that the rule allows: twice what independent roundings add up to. Each layer has six
// products in a row with two operands each; self-conditioning and head together count as one more layer. The same is in
// tests/cuda/models.py.
double largest_relative_error(const std::string& activations, int64_t num_layers);

}  // namespace gesso::bench
