// The runtime's functions for graphs. A graph is a list of operations, since captures of several streams are not
// emulated.
#include <algorithm>

#include "counters.h"
#include "emulator.h"
#include "runtime/runtime.h"

using namespace gesso::emulator;

bool gesso::emulator::is_capturing() {
  const std::lock_guard lock(Runtime::instance().mutex());
  const auto& streams = Runtime::instance().streams();
  return std::any_of(streams.begin(), streams.end(),
                     [](const auto& entry) { return entry.second->capture != nullptr; });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return call_on_device([&](Runtime& runtime) {
    const auto stream = runtime.find(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (!handle) return cudaErrorStreamCaptureUnsupported;  // the default stream cannot be captured
    if (stream->capture) return cudaErrorStreamCaptureUnsupported;
    stream->capture = std::make_unique<CUgraph_st>();
    stream->is_capture_valid = true;
    stream->capture_mode = mode;
    stream->capture_thread = std::this_thread::get_id();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  return call([&](Runtime& runtime) {
    *graph = nullptr;
    const auto stream = runtime.find(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (!stream->capture) return cudaErrorStreamCaptureUnmatched;
    const std::unique_ptr<CUgraph_st> captured = std::move(stream->capture);
    if (!stream->is_capture_valid) return cudaErrorStreamCaptureInvalidated;
    *graph = new CUgraph_st(std::move(*captured));
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return call([&](Runtime& runtime) {
    const auto stream = runtime.find(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    *status = !stream->capture           ? cudaStreamCaptureStatusNone
              : stream->is_capture_valid ? cudaStreamCaptureStatusActive
                                         : cudaStreamCaptureStatusInvalidated;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  return call_on_device([&](Runtime&) {
    if (!graph) return cudaErrorInvalidValue;
    *executable = new CUgraphExec_st{std::make_shared<const std::vector<Operation>>(graph->operations)};
    return cudaSuccess;
  });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t) {
  return executable ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
  return call_on_device([&](Runtime& runtime) {
    const auto stream = runtime.find(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (!executable) return cudaErrorInvalidValue;
    ++counters().graph_launches;
    for (const Operation& operation : *executable->operations) runtime.queue(stream, operation);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (!graph) return cudaErrorInvalidValue;
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return call([&](Runtime&) {
    start_device(Runtime::current_device());
    if (!executable) return cudaErrorInvalidValue;
    delete executable;
    return cudaSuccess;
  });
}
