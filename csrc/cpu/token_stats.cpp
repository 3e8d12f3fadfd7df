#include "ops/token_stats.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/threads.h"

namespace gesso::cpu {
namespace {

// argmax_v(z[v] + gumbel(key, v)). Most tokens lie too far below the best to win with any noise; they cost a
// comparison.
int32_t sample(const float* z, int64_t vocab_size, const DrawKey& key) {
  int32_t best = 0;
  float best_value = -INFINITY;
  for (int64_t first = 0; first < vocab_size; first += 4) {
    const int64_t last = std::min<int64_t>(first + 4, vocab_size);
    const float reachable = *std::max_element(z + first, z + last) + kMaxGumbel;
    if (reachable <= best_value) continue;
    const std::array<uint32_t, 4> words = draw_words(key, Draw::kSample, static_cast<uint32_t>(first / 4));
    for (int64_t v = first; v < last; ++v) {
      const float value = z[v] + gumbel(words[v - first]);
      if (value > best_value) {
        best_value = value;
        best = static_cast<int32_t>(v);
      }
    }
  }
  return best;
}

// H = ln S - sum_v (z_v - m) e^(z_v - m) / S with S = sum_v e^(z_v - m), m = max z. Summed in double: the entropies
// that decide about stopping are tiny differences.
float entropy(const float* z, int64_t vocab_size, float max) {
  double sum = 0, weighted = 0;
  for (int64_t v = 0; v < vocab_size; ++v) {
    const float shifted = z[v] - max;
    const float weight = std::exp(shifted);
    if (weight == 0.0f) continue;  // also -inf, whose 0 * -inf would be NaN
    sum += weight;
    weighted += static_cast<double>(shifted) * weight;
  }
  return static_cast<float>(std::log(sum) - weighted / sum);
}

}  // namespace

void token_stats(const Context& context, Matrix logits, float temperature, Staged<DrawKey> keys,
                 ops::TokenStats stats) {
  parallel_for(context, logits.rows, 2 * kExpOperations * logits.columns, [&](int64_t r) {
    float* z = logits.row(r);
    for (int64_t v = 0; v < logits.columns; ++v) z[v] /= temperature;
    const int64_t argmax = std::max_element(z, z + logits.columns) - z;
    stats.argmax[r] = static_cast<int32_t>(argmax);
    stats.entropy[r] = entropy(z, logits.columns, z[argmax]);
    stats.sampled[r] = sample(z, logits.columns, keys.host[r]);
  });
}

}  // namespace gesso::cpu
