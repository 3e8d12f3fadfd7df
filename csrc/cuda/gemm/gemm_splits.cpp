#include "cuda/gemm/gemm_splits.h"

#include <algorithm>

namespace gesso::cuda {
namespace {

int divide_up(int a, int b) { return (a + b - 1) / b; }

// Estimates the time that a canvas of 256 rows (two tiles of rows) takes. The unit is one step of one tile. Each
// multiprocessor is taken to have one block at a time, so the blocks take some rounds. A round takes the steps of a
// split, and 4 more to fill the pipeline. With splits, partial sums are written and read again through the L2 cache. In
// the time of a step a multiprocessor does that for about 16 outputs of all rows.
double estimated_time(const Splits& splits, int64_t num_outputs, int weight_tiles, int num_multiprocessors) {
  constexpr int kRowTiles = 2, kFillSteps = 4, kFinishSteps = 4, kOutputsPerStep = 16;
  const int rounds = divide_up(weight_tiles * kRowTiles * splits.count, num_multiprocessors);
  const double time = static_cast<double>(rounds) * (splits.steps_each + kFillSteps);
  if (splits.count == 1) return time;
  const double partial_outputs = static_cast<double>(splits.count) * static_cast<double>(num_outputs);
  return time + kFinishSteps + partial_outputs / (kOutputsPerStep * num_multiprocessors);
}

}  // namespace

Splits choose_splits(int64_t num_outputs, int weight_tiles, int num_steps, int num_multiprocessors) {
  Splits best{1, num_steps};
  for (int count = 2; count <= kMaxSplits; ++count) {
    Splits splits;
    splits.steps_each = divide_up(divide_up(num_steps, count), kSplitGranule) * kSplitGranule;
    splits.count = divide_up(num_steps, splits.steps_each);
    if (estimated_time(splits, num_outputs, weight_tiles, num_multiprocessors) <
        estimated_time(best, num_outputs, weight_tiles, num_multiprocessors)) {
      best = splits;
    }
  }
  return best;
}

}  // namespace gesso::cuda
