#include "cuda/gemm/gemm_splits.h"

#include <algorithm>

namespace gesso::cuda {
namespace {

int divide_up(int a, int b) { return (a + b - 1) / b; }

}  // namespace

// Each multiprocessor is taken to have one block at a time, so the blocks take some rounds. With splits, partial sums
// are written and read again through the L2 cache. In a step's time a multiprocessor does that for about 16 outputs of
// a canvas of 256 rows.
double estimated_time(const SplitProblem& problem, const Splits& splits) {
  constexpr int kOutputsPerStep = 16;
  const int rounds = divide_up(problem.blocks * splits.count, problem.num_multiprocessors);
  const double time = rounds * (splits.steps_each * problem.step_time + problem.fill_steps);
  if (splits.count == 1) return time;
  const double partial_outputs = static_cast<double>(splits.count) * static_cast<double>(problem.num_outputs);
  return time + partial_outputs / (kOutputsPerStep * problem.num_multiprocessors);
}

Splits choose_splits(const SplitProblem& problem) {
  Splits best{1, problem.num_steps};
  for (int count = 2; count <= kMaxSplits; ++count) {
    Splits splits;
    splits.steps_each = divide_up(divide_up(problem.num_steps, count), problem.granule) * problem.granule;
    splits.count = divide_up(problem.num_steps, splits.steps_each);
    if (estimated_time(problem, splits) < estimated_time(problem, best)) best = splits;
  }
  return best;
}

}  // namespace gesso::cuda
