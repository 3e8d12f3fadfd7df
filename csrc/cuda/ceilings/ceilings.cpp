#include "ops/ceilings.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>

#include "cuda/ceilings/ceiling_kernels.h"
#include "cuda/host/queue.h"
#include "ops/memory.h"
#include "ops/stopwatch.h"

namespace gesso::cuda {
namespace {

constexpr int kMinSamples = 3;
constexpr int kMostRounds = 1 << 14;  // of a product kernel
constexpr int64_t kPieceBytes = 16;   // what a thread copies at once

using Clock = std::chrono::steady_clock;

double run_ms(const Context& context, const std::function<void()>& work) {
  ops::Stopwatch stopwatch(context);
  work();
  return stopwatch.stop_ms();
}

// Runs `work` again and again for so many milliseconds and returns the seconds of the fastest run. An idle GPU runs at
// a low clock rate, so the first runs are slower.
double best_seconds(const Context& context, double milliseconds, const std::function<void()>& work) {
  double best = run_ms(context, work);
  const Clock::time_point start = Clock::now();
  const auto is_due = [&] {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count() < milliseconds;
  };
  for (int sample = 0; sample < kMinSamples || is_due(); ++sample) best = std::min(best, run_ms(context, work));
  return best / 1e3;
}

void measure_memory(const Context& context, const CeilingOptions& options, std::vector<Ceiling>& ceilings) {
  const int64_t num_bytes = (options.bytes + kPieceBytes - 1) / kPieceBytes * kPieceBytes;
  const auto source = ops::allocate<std::byte>(context, num_bytes),
             target = ops::allocate<std::byte>(context, num_bytes);
  const ops::WaitAtEnd wait(context);
  ops::fill_zero(context, source.data(), num_bytes);
  ops::fill_zero(context, target.data(), num_bytes);
  const double copy_s = best_seconds(context, options.milliseconds,
                                     [&] { copy_bytes(*context.queue, source.data(), num_bytes, target.data()); });
  const double read_s = best_seconds(context, options.milliseconds,
                                     [&] { read_bytes(*context.queue, source.data(), num_bytes, target.data()); });
  ceilings.push_back({"copy", "", 2 * static_cast<double>(num_bytes) / copy_s, 0});
  ceilings.push_back({"read", "", static_cast<double>(num_bytes) / read_s, 0});
}

// A run must be long enough that its beginning and its end do not count.
Ceiling measure_products(const Context& context, const CeilingOptions& options, const ProductKernel& kernel) {
  constexpr int kRunsPerMeasurement = 50;
  double operations = 0;
  int rounds = 1;
  const auto run = [&] { operations = kernel.run(*context.queue, rounds); };
  while (rounds < kMostRounds && run_ms(context, run) < options.milliseconds / kRunsPerMeasurement) rounds *= 2;
  const double seconds = best_seconds(context, options.milliseconds, run);
  return {kernel.operands, kernel.instructions, 0, operations / seconds};
}

}  // namespace

std::vector<Ceiling> measure_ceilings(const Context& context, const CeilingOptions& options) {
  std::vector<Ceiling> ceilings;
  measure_memory(context, options, ceilings);
  for (const ProductKernel& kernel : product_kernels(context.queue->properties().arch)) {
    ceilings.push_back(measure_products(context, options, kernel));
  }
  return ceilings;
}

}  // namespace gesso::cuda
