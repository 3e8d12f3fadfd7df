#include "ops/stopwatch.h"

#include <cuda_runtime.h>

#include "cuda/device/delay.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/cuda_error.h"
#include "cuda/host/queue.h"
#include "ops/current_device.h"

namespace gesso::cuda {
namespace {

// Some 50 us. Meanwhile the host queues the kernels that are timed, so that the device need not wait for them.
constexpr int64_t kDelayCycles = 100'000;

// grid: one block of one warp.
// ptxas: <= 32 registers
__global__ void __launch_bounds__(kWarpSize) delay_kernel(int64_t cycles) {
  wait_for_earlier_kernels();
  delay(cycles);
}

class Event {
 public:
  Event() { check_cuda(cudaEventCreate(&event_), "cudaEventCreate"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(cudaStream_t stream) { check_cuda(cudaEventRecord(event_, stream), "cudaEventRecord"); }
  double ms_since(const Event& start) const {
    float ms = 0;
    check_cuda(cudaEventElapsedTime(&ms, start.event_, event_), "cudaEventElapsedTime");
    return ms;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

struct Events {
  Event start, stop;
};

}  // namespace

std::shared_ptr<void> start_stopwatch(const Context& context) {
  const CurrentDevice device(*context.queue);
  auto events = std::make_shared<Events>();
  context.queue->synchronize();
  launch("delay", {dim3(1), kWarpSize, 0, context.queue->stream()}, delay_kernel, kDelayCycles);
  events->start.record(context.queue->stream());
  return events;
}

double stop_stopwatch(const Context& context, void* stopwatch) {
  const CurrentDevice device(*context.queue);
  auto& events = *static_cast<Events*>(stopwatch);
  events.stop.record(context.queue->stream());
  context.queue->synchronize();
  return events.stop.ms_since(events.start);
}

}  // namespace gesso::cuda
