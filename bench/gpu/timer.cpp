#include "timer.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cuda/host/cuda_error.h"
#include "cuda/host/queue.h"
#include "ops/replay.h"

namespace gesso::bench {
namespace {

using cuda::check_cuda;

class Event {
 public:
  Event() { check_cuda(cudaEventCreate(&event_), "cudaEventCreate"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(cudaStream_t stream) { check_cuda(cudaEventRecord(event_, stream), "cudaEventRecord"); }
  double ms_since(const Event& start) {
    check_cuda(cudaEventSynchronize(event_), "cudaEventSynchronize");
    float ms = 0;
    check_cuda(cudaEventElapsedTime(&ms, start.event_, event_), "cudaEventElapsedTime");
    return ms;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

// The value that a share `part` of the sorted samples does not exceed.
double quantile(const std::vector<double>& sorted, double part) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<size_t>(std::lround(part * last))];
}

}  // namespace

Record Spread::record() const {
  return Record()
      .add("median_ms", median_ms)
      .add("p10_ms", p10_ms)
      .add("p90_ms", p90_ms)
      .add("num_samples", num_samples);
}

Spread measure_plain(const Context& context, const TimerOptions& options, const std::function<void()>& work) {
  const cudaStream_t stream = context.queue->stream();
  Event start, stop;
  const auto sample = [&] {
    start.record(stream);
    work();
    stop.record(stream);
    return stop.ms_since(start);
  };
  sample();  // the first call lets scratch memory grow
  sample();  // the second call is recorded
  for (double warm = 0; warm < options.warm_up_ms;) warm += std::max(sample(), 0.01);

  std::vector<double> samples;
  double total = 0;
  while (static_cast<int>(samples.size()) < options.max_samples &&
         (static_cast<int>(samples.size()) < options.min_samples || total < options.measured_ms)) {
    samples.push_back(sample());
    total += samples.back();
  }
  std::sort(samples.begin(), samples.end());
  return {quantile(samples, 0.1), quantile(samples, 0.5), quantile(samples, 0.9), static_cast<int>(samples.size())};
}

Spread measure(const Context& context, const TimerOptions& options, const std::function<void()>& work) {
  ops::Replay replay;
  return measure_plain(context, options, [&] { replay.run(context, {}, work); });
}

}  // namespace gesso::bench
