// The runtime's functions for streams and events.
#include <chrono>

#include "counters.h"
#include "runtime/runtime.h"
#include "settings.h"

using namespace gesso::emulator;

namespace {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return call([&](Runtime& runtime) {
    start_device(Runtime::current_device());
    *stream = runtime.create_stream(flags != cudaStreamNonBlocking);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return call([&](Runtime& runtime) {
    if (!handle || !runtime.find(handle)) return cudaErrorInvalidResourceHandle;
    runtime.destroy_stream(handle);
    return runtime.has_failed() ? cudaErrorLaunchFailure : cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return call_on_device([&](Runtime& runtime) {
    const auto stream = runtime.find(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (stream->capture) {
      Runtime::spoil(*stream);
      return cudaErrorStreamCaptureUnsupported;
    }
    ++counters().host_waits;
    runtime.run(stream);
    return cudaSuccess;
  });
}

// The first query after new work returns "not ready" and runs the work.
cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return call_on_device([&](Runtime& runtime) {
    const auto stream = runtime.find(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (stream->capture) {
      Runtime::spoil(*stream);
      return cudaErrorStreamCaptureUnsupported;
    }
    if (stream->work.empty()) return cudaSuccess;
    runtime.run(stream);
    return cudaErrorNotReady;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  return call_on_device([&](Runtime& runtime) {
    const auto stream = runtime.find(handle);
    if (!stream || !event) return cudaErrorInvalidResourceHandle;
    // A capture of several streams is not emulated.
    if (event->is_in_capture || stream->capture) {
      if (stream->capture) Runtime::spoil(*stream);
      return cudaErrorStreamCaptureIsolation;
    }
    runtime.queue(stream, [] { return std::string(); }, {event->mark});
    return cudaSuccess;
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, void (*function)(void*), void* argument) {
  return call_on_device([&](Runtime& runtime) {
    const auto stream = runtime.find(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    runtime.queue(stream, [function, argument] {
      function(argument);
      return std::string();
    });
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call([&](Runtime&) {
    if (!event) return cudaErrorInvalidResourceHandle;
    delete event;
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  return call_on_device([&](Runtime& runtime) {
    const auto stream = runtime.find(handle);
    if (!stream || !event) return cudaErrorInvalidResourceHandle;
    event->is_in_capture = stream->capture != nullptr;
    event->time = std::make_shared<double>(0);
    runtime.queue(stream, [time = event->time] {
      *time = now_ms();
      return std::string();
    });
    event->mark = {stream, stream->num_queued};
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call_on_device([&](Runtime& runtime) {
    if (!event) return cudaErrorInvalidResourceHandle;
    if (event->is_in_capture) return cudaErrorStreamCaptureUnsupported;
    ++counters().host_waits;
    runtime.run_to(event->mark);
    return cudaSuccess;
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call_on_device([&](Runtime& runtime) {
    if (!event) return cudaErrorInvalidResourceHandle;
    if (event->is_in_capture) return cudaErrorStreamCaptureUnsupported;
    const Mark& mark = event->mark;
    if (!mark.stream || mark.stream->num_done >= mark.sequence) return cudaSuccess;
    runtime.run_to(mark);
    return cudaErrorNotReady;
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return call_on_device([&](Runtime&) {
    if (!start || !end || !start->time || !end->time) return cudaErrorInvalidResourceHandle;
    for (const cudaEvent_t event : {start, end}) {
      if (event->mark.stream->num_done < event->mark.sequence) return cudaErrorNotReady;
    }
    *milliseconds = static_cast<float>(*end->time - *start->time);
    return cudaSuccess;
  });
}
