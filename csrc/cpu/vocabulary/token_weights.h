// Inner loops over a row's logits z and its weights p = e^(z - max), n of them at any address.
// Sums run in 16 lanes in a fixed order, so their bits do not depend on the instruction set.
#pragma once

#include <cstdint>

namespace gesso::cpu {

// -inf where nothing is above it; NaN is never the largest.
float largest(const float* z, int64_t n);

// z[i] /= divisor
void divide(float* z, int64_t n, float divisor);

// p[i] = e^(z[i] - max); 0 where that is below the least normal float.
void exp_weights(const float* z, int64_t n, float max, float* p);

// In double.
struct WeightSums {
  double sum;       // of p
  double weighted;  // of (z - max) p; what has no weight adds nothing
};
WeightSums sum_weights(const float* z, const float* p, int64_t n, float max);

// The sum of the weights below `threshold`.
float weight_below(const float* p, int64_t n, float threshold);

// Writes the weights of at least `threshold` and their places, in order; returns how many. kept and places have room
// for n; `kept` may be p.
int64_t keep_weights(const float* p, int64_t n, float threshold, float* kept, uint16_t* places);

}  // namespace gesso::cpu
