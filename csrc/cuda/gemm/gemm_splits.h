// Into how many parts the sum over k is cut, so that few outputs still fill the device.
#pragma once

#include <cstdint>

namespace gesso::cuda {

constexpr int kMaxSplits = 8;
constexpr int kSplitGranule = 12;  // steps: whole spans of every decoder

struct Splits {
  int count = 1;
  int steps_each = 0;  // of 64 columns; the last may have fewer
};

// A function of the weight [N, K] and the device alone: the number of rows must not change the order of a row's sum.
// `num_steps` = K / 64, `weight_tiles`: blocks that N takes.
Splits choose_splits(int64_t num_outputs, int weight_tiles, int num_steps, int num_multiprocessors);

}  // namespace gesso::cuda
