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

// What the cut of a product depends on: the weight [N, K], its kernel and the device. The number of rows must not
// change the order of a row's sum. So splits are chosen for the blocks of a canvas of 256 rows.
struct SplitProblem {
  int64_t num_outputs = 0;  // N
  int num_steps = 0;        // K / 64
  int granule = 1;          // the steps of a split are a multiple of this, so that it holds whole spans of its decoder
  int blocks = 0;           // that the rows take without splits
  double step_time = 1;     // of a block, in steps of the kernel's largest one: 0.75 for three groups of four
  int fill_steps = 0;       // in so many steps of the largest one a block fills its pipeline, and stores its tile
  int num_multiprocessors = 0;
};

// The time that the product takes, in steps of the kernel's largest block.
double estimated_time(const SplitProblem& problem, const Splits& splits);

// The splits for which this is shortest.
Splits choose_splits(const SplitProblem& problem);

}  // namespace gesso::cuda
