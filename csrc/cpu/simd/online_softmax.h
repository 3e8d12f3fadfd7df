// One step of a softmax whose scores come in blocks.
// Source: Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018.
#pragma once

#include <cstdint>

namespace gesso::cpu {

// scores [num_keys, lanes], where `lanes` is a multiple of 16. Each lane is a softmax of its own:
//   new max = max(max, scores);  scores = exp(scores - new max);  factors = exp(old max - new max)
//   sums = sums * factors + sum of the new scores
// `max` must start as the lowest finite float. Then a block that has only -inf (keys that are not seen) changes
// nothing.
void online_softmax(float* scores, int64_t num_keys, int64_t lanes, float* max, float* sums, float* factors);

}  // namespace gesso::cpu
