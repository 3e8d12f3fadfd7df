// Into how many parts (splits) the sum over k is cut. A weight with few outputs has few tiles, too few to fill the
// device; cut into 3 splits it has three times as many blocks.
#pragma once

#include <cstdint>

namespace gesso::cuda {

constexpr int kMaxSplits = 8;
constexpr int kSplitGranule =
    12;  // a split's steps are a multiple of this, so that it holds whole spans of every decoder

struct Splits {
  int count = 1;
  int steps_each = 0;  // of 64 columns; the last split may have fewer

  friend bool operator==(const Splits&, const Splits&) = default;
};

// The weight [N, K] and the device decide alone. The number of rows is not asked for, because it must not change the
// order of a row's sum. num_outputs: N; num_steps: K / 64; weight_tiles: blocks that N takes.
Splits choose_splits(int64_t num_outputs, int weight_tiles, int num_steps, int num_multiprocessors);

}  // namespace gesso::cuda
