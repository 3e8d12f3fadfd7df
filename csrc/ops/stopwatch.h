// How long ops take. On a device it is the device's own clock that tells.
#pragma once

#include <chrono>
#include <memory>

#include "core/context.h"

namespace gesso::ops {

class Stopwatch {
 public:
  // Waits for all earlier work in the context's queue, and starts.
  explicit Stopwatch(const Context& context);
  // Waits for the work that was queued since then, and returns how many milliseconds it took. On a device this is from
  // the beginning of the first kernel to the end of the last one: the time in which the host queues the first kernels
  // does not count, if it is shorter than kDelayCycles (cuda/host/stopwatch.cu). CudaError when any work failed.
  double stop_ms();

 private:
  using Clock = std::chrono::steady_clock;

  const Context& context_;
  std::shared_ptr<void> of_device_;  // the backend's; empty on the CPU
  Clock::time_point start_;
};

}  // namespace gesso::ops

namespace gesso::cuda {
std::shared_ptr<void> start_stopwatch(const Context& context);
double stop_stopwatch(const Context& context, void* stopwatch);
}  // namespace gesso::cuda
