// Into how many parts (splits) the sum over k is cut. A weight with few outputs has few tiles, too few to fill the
// device. If it is cut into 3 splits, it has three times as many blocks.
#pragma once

#include <cstdint>

namespace gesso::cuda {

constexpr int kMaxSplits = 8;

struct Splits {
  int count = 1;
  int steps_each = 0;  // of 64 columns; the last split may have fewer

  friend bool operator==(const Splits&, const Splits&) = default;
};

// What the cut of a product depends on: the weight [N, K], its kernel and the device. The number of rows is not asked
// for, because it must not change the order of a row's sum.
struct SplitProblem {
  int64_t num_outputs = 0;  // N
  int num_steps = 0;        // K / 64
  int granule = 1;          // the steps of a split are a multiple of this, so that it holds whole spans of its decoder
  int blocks = 0;           // that a canvas of 256 rows takes without splits
  int fill_steps = 0;       // in the time of so many steps a block fills its pipeline, and stores its tile
  int num_multiprocessors = 0;
};

Splits choose_splits(const SplitProblem& problem);

}  // namespace gesso::cuda
