#include "ops/stopwatch.h"

#include "ops/dispatch.h"

namespace gesso::ops {

Stopwatch::Stopwatch(const Context& context) : context_(context) {
  if constexpr (kHasCuda) {
    if (context.queue) of_device_ = cuda::start_stopwatch(context);
  }
  start_ = Clock::now();
}

double Stopwatch::stop_ms() {
  if constexpr (kHasCuda) {
    if (of_device_) return cuda::stop_stopwatch(context_, of_device_.get());
  }
  return std::chrono::duration<double, std::milli>(Clock::now() - start_).count();
}

}  // namespace gesso::ops
