// One step of a softmax whose scores come in blocks
// (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018).
#pragma once

#include <cstdint>

namespace gesso::cpu {

// scores [num_keys, lanes], a multiple of 16 lanes; each lane is a softmax of its own:
//   new max = max(max, scores);  scores = exp(scores - new max);  factors = exp(old max - new max)
//   sums = sums * factors + sum of the new scores
// max starts as the lowest finite float, so that blocks of nothing but -inf (keys not seen) change nothing.
void online_softmax(float* scores, int64_t num_keys, int64_t lanes, float* max, float* sums, float* factors);

}  // namespace gesso::cpu
