// Into how many parts (splits) the sum over k is cut. A weight with few outputs has few tiles, too few to fill the
// device. If it is cut into 3 splits, it has three times as many blocks.
#pragma once

#include <cstdint>

namespace gesso::cuda {

constexpr int kMaxSplits = 8;
// The steps of a split are a multiple of this, so that a split holds whole spans of every decoder.
constexpr int kSplitGranule = 12;

struct Splits {
  int count = 1;
  int steps_each = 0;  // of 64 columns; the last split may have fewer

  friend bool operator==(const Splits&, const Splits&) = default;
};

// The weight [N, K] and the device alone decide. The number of rows is not asked for, because it must not change the
// order of a row's sum. num_outputs is N, num_steps is K / 64, and weight_tiles is the number of blocks that N takes.
Splits choose_splits(int64_t num_outputs, int weight_tiles, int num_steps, int num_multiprocessors);

}  // namespace gesso::cuda
