// The state behind the functions of the CUDA runtime: streams with work that has not run yet, captures, errors.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gesso::emulator {

// Work for the device. It returns an empty string, or what went wrong.
using Operation = std::function<std::string()>;

// A place in a stream: all work that was queued before it.
struct Mark {
  std::shared_ptr<CUstream_st> stream;
  uint64_t sequence = 0;
};

struct Work {
  Operation run;
  std::vector<Mark> after;  // this must have run before
};

}  // namespace gesso::emulator

struct CUgraph_st {
  std::vector<gesso::emulator::Operation> operations;
};

struct CUgraphExec_st {
  std::shared_ptr<const std::vector<gesso::emulator::Operation>> operations;
};

struct CUevent_st {
  gesso::emulator::Mark mark;    // where the last record was
  bool is_in_capture = false;    // whether that record was in a capture; then nobody can wait for it
  std::shared_ptr<double> time;  // when that record ran, in ms
};

struct CUstream_st {
  int device = 0;
  bool is_blocking = false;  // waits for the default stream, and the default stream waits for it
  std::deque<gesso::emulator::Work> work;
  uint64_t num_queued = 0;
  uint64_t num_done = 0;

  std::unique_ptr<CUgraph_st> capture;  // set while the stream captures
  bool is_capture_valid = true;
  cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;
  std::thread::id capture_thread;
};

namespace gesso::emulator {

class Runtime {
 public:
  static Runtime& instance();

  // Every function of the runtime holds this lock while it runs.
  std::recursive_mutex& mutex() { return mutex_; }

  // Finds a stream. nullptr is the default stream of the current device. The result is empty when there is no such
  // stream.
  std::shared_ptr<CUstream_st> find(cudaStream_t stream);
  cudaStream_t create_stream(bool is_blocking);
  void destroy_stream(cudaStream_t stream);
  const std::map<cudaStream_t, std::shared_ptr<CUstream_st>>& streams() const { return streams_; }

  // In a capture the operation is recorded, in a dry run it is dropped, otherwise it is queued.
  void queue(const std::shared_ptr<CUstream_st>& stream, Operation operation, std::vector<Mark> after = {});
  void run_to(const Mark& mark);
  void run(const std::shared_ptr<CUstream_st>& stream) { run_to({stream, stream->num_queued}); }
  void run_device(int device);

  // Whether a capture forbids the call that asks, one that may wait or allocate. If so, the capture becomes invalid.
  bool is_forbidden();
  static void spoil(CUstream_st& stream) { stream.is_capture_valid = false; }

  // What a kernel did wrong. It is kept until take_failure is called.
  bool has_failed() const { return !failure_.empty(); }
  std::string take_failure();
  const std::string& peek_failure() const { return failure_; }

  // These belong to the calling thread; contexts.cpp has the device.
  static int current_device();
  static void set_current_device(int device);
  static cudaError_t& last_error();

 private:
  std::shared_ptr<CUstream_st> default_stream(int device);
  std::vector<Mark> implied_marks(const CUstream_st& stream);

  std::recursive_mutex mutex_;
  std::map<cudaStream_t, std::shared_ptr<CUstream_st>> streams_;
  std::map<int, std::shared_ptr<CUstream_st>> default_streams_;
  std::string failure_;
};

// Runs the body of a function of the runtime. It holds the lock and keeps the error for cudaGetLastError.
template <typename Body>
cudaError_t call(Body body) {
  const std::lock_guard lock(Runtime::instance().mutex());
  const cudaError_t error = body(Runtime::instance());
  if (error != cudaSuccess && error != cudaErrorNotReady) Runtime::last_error() = error;
  return error;
}

// A thread does something on the device, which has a context from then on.
void start_device(int device);

// The same for functions that need a context, and that fail after a kernel has failed.
template <typename Body>
cudaError_t call_on_device(Body body) {
  return call([&](Runtime& runtime) {
    start_device(Runtime::current_device());
    if (runtime.has_failed()) return cudaErrorLaunchFailure;
    const cudaError_t error = body(runtime);
    return runtime.has_failed() ? cudaErrorLaunchFailure : error;
  });
}

}  // namespace gesso::emulator
