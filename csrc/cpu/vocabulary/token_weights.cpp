#include "cpu/vocabulary/token_weights.h"

#include "cpu/simd/double_lanes.h"
#include "cpu/simd/float_math.h"

namespace gesso::cpu {
namespace {

// Loads the last `count` < 16 numbers; the other lanes get `rest`.
GESSO_INLINE Lanes load_tail(const float* x, int64_t count, float rest) {
  float padded[kLanes];
  for (int i = 0; i < kLanes; ++i) padded[i] = i < count ? x[i] : rest;
  return load(padded);
}

GESSO_INLINE Lanes larger(Lanes best, Lanes x) { return x > best ? x : best; }

GESSO_INLINE float largest_lane(Lanes x) {
  float best = x[0];
  for (int i = 1; i < kLanes; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

GESSO_INLINE bool any(LaneInts mask) {
  int64_t words[kLanes / 2], all = 0;
  std::memcpy(words, &mask, sizeof(words));
  for (int64_t word : words) all |= word;
  return all != 0;
}

struct SumLanes {
  DoubleLanes sum = {}, weighted = {};

  GESSO_INLINE void add(Lanes z, Lanes p, float max) {
    constexpr float kLowest = -200;  // p is 0 from -200 down to -inf, and the product has to be 0 too; 0 * -inf is NaN
    const Lanes shifted = z - max;
    sum += to_double(p);
    weighted += to_double(shifted < kLowest ? kLowest : shifted) * to_double(p);
  }
};

GESSO_INLINE Lanes below(Lanes p, float threshold) { return p < threshold ? p : 0.0f; }

}  // namespace

GESSO_TARGETS
float largest(const float* z, int64_t n) {
  Lanes best = -kInfinity - Lanes{};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) best = larger(best, load(z + i));
  if (i < n) best = larger(best, load_tail(z + i, n - i, -kInfinity));
  return largest_lane(best);
}

GESSO_TARGETS
void divide(float* z, int64_t n, float divisor) {
  for (int64_t i = 0; i < n; ++i) z[i] /= divisor;
}

GESSO_TARGETS
void exp_weights(const float* z, int64_t n, float max, float* p) {
  for (int64_t i = 0; i < n; ++i) p[i] = exp(z[i] - max);
}

GESSO_TARGETS
WeightSums sum_weights(const float* z, const float* p, int64_t n, float max) {
  SumLanes sums;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sums.add(load(z + i), load(p + i), max);
  if (i < n) sums.add(load_tail(z + i, n - i, max), load_tail(p + i, n - i, 0), max);
  return {sum_lanes(sums.sum), sum_lanes(sums.weighted)};
}

GESSO_TARGETS
float weight_below(const float* p, int64_t n, float threshold) {
  Lanes sum = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum += below(load(p + i), threshold);
  if (i < n) sum += below(load_tail(p + i, n - i), threshold);
  return sum_lanes(sum);
}

GESSO_TARGETS
int64_t keep_weights(const float* p, int64_t n, float threshold, float* kept, uint16_t* places) {
  int64_t count = 0;
  for (int64_t first = 0; first < n; first += kLanes) {
    if (first + kLanes <= n && !any(load(p + first) >= threshold)) continue;
    const int64_t last = first + kLanes < n ? first + kLanes : n;
    for (int64_t i = first; i < last; ++i) {
      const float weight = p[i];
      kept[count] = weight;
      places[count] = static_cast<uint16_t>(i);
      count += weight >= threshold;
    }
  }
  return count;
}

}  // namespace gesso::cpu
