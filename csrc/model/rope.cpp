#include "model/rope.h"

#include <algorithm>
#include <cmath>

namespace gesso::model {

std::vector<float> inverse_frequencies(float theta, int64_t head_dim, const float* factors) {
  std::vector<float> inv_freq(head_dim / 2);
  for (size_t i = 0; i < inv_freq.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    inv_freq[i] = 1.0f / std::pow(theta, exponent);
    if (factors) inv_freq[i] /= factors[i];
  }
  return inv_freq;
}

std::vector<float> default_rope_factors(int64_t num_pairs) {
  std::vector<float> factors(num_pairs, 1e30f);
  std::fill_n(factors.begin(), num_pairs / 4, 1.0f);
  return factors;
}

}  // namespace gesso::model
