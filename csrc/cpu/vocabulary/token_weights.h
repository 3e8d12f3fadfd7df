// Inner loops over n logits z of a row and their weights p = e^(z - max). The arrays may have any alignment. Sums have
// 16 lanes and a fixed order, so their bits do not depend on the instruction set.
#pragma once

#include <cstdint>

namespace gesso::cpu {

// Returns the largest z, or -inf if none is above -inf. A NaN is never the largest.
float largest(const float* z, int64_t n);

// z[i] /= divisor
void divide(float* z, int64_t n, float divisor);

// p[i] = e^(z[i] - max). Results below the least normal float are 0.
void exp_weights(const float* z, int64_t n, float max, float* p);

struct WeightSums {
  double sum;       // the sum of p
  double weighted;  // the sum of (z - max) p; z = -inf, whose p is 0, adds 0 and not NaN
};
WeightSums sum_weights(const float* z, const float* p, int64_t n, float max);

// Returns the sum of the weights below `threshold`.
float weight_below(const float* p, int64_t n, float threshold);

// Writes the weights of at least `threshold` to `kept` and their places to `places`, in order. Returns how many they
// are. `kept` and `places` must have room for n. `kept` may be p.
int64_t keep_weights(const float* p, int64_t n, float threshold, float* kept, uint16_t* places);

}  // namespace gesso::cpu
