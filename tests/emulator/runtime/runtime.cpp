#include "runtime/runtime.h"

#include "emulator.h"
#include "heap.h"
#include "settings.h"

namespace gesso::emulator {
namespace {

constinit thread_local cudaError_t error_of_thread = cudaSuccess;

}  // namespace

Runtime& Runtime::instance() {
  // The runtime is never destroyed: static objects of the program may free what they own after it would have been.
  static Runtime* runtime = new Runtime();
  return *runtime;
}

cudaError_t& Runtime::last_error() { return error_of_thread; }

std::shared_ptr<CUstream_st> Runtime::default_stream(int device) {
  std::shared_ptr<CUstream_st>& stream = default_streams_[device];
  if (!stream) stream = std::make_shared<CUstream_st>();
  stream->device = device;
  return stream;
}

std::shared_ptr<CUstream_st> Runtime::find(cudaStream_t stream) {
  if (!stream) return default_stream(current_device());
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : found->second;
}

cudaStream_t Runtime::create_stream(bool is_blocking) {
  auto stream = std::make_shared<CUstream_st>();
  stream->device = current_device();
  stream->is_blocking = is_blocking;
  streams_[stream.get()] = stream;
  return stream.get();
}

void Runtime::destroy_stream(cudaStream_t stream) {
  run(streams_.at(stream));
  streams_.erase(stream);
}

// The default stream and the blocking streams wait for each other.
std::vector<Mark> Runtime::implied_marks(const CUstream_st& stream) {
  std::vector<Mark> marks;
  const std::shared_ptr<CUstream_st> by_default = default_stream(stream.device);
  if (&stream == by_default.get()) {
    for (const auto& [handle, other] : streams_) {
      if (other->is_blocking && other->device == stream.device) marks.push_back({other, other->num_queued});
    }
  } else if (stream.is_blocking) {
    marks.push_back({by_default, by_default->num_queued});
  }
  return marks;
}

void Runtime::queue(const std::shared_ptr<CUstream_st>& stream, Operation operation, std::vector<Mark> after) {
  if (settings().is_dry) return;
  if (stream->capture) {
    stream->capture->operations.push_back(std::move(operation));
    return;
  }
  for (const Mark& mark : implied_marks(*stream)) after.push_back(mark);
  stream->work.push_back({std::move(operation), std::move(after)});
  ++stream->num_queued;
}

void Runtime::run_to(const Mark& mark) {
  if (!mark.stream || mark.stream->num_done >= mark.sequence) return;
  CUstream_st& stream = *mark.stream;
  const DeviceAccess access(stream.device);
  while (stream.num_done < mark.sequence) {
    const Work work = std::move(stream.work.front());
    stream.work.pop_front();
    ++stream.num_done;
    for (const Mark& before : work.after) run_to(before);
    if (has_failed()) continue;  // after a failure the device does nothing more
    const std::string failure = work.run();
    if (!failure.empty()) failure_ = failure;
  }
}

void Runtime::run_device(int device) {
  run(default_stream(device));
  for (const auto& [handle, stream] : streams_) {
    if (stream->device == device) run(stream);
  }
}

bool Runtime::is_forbidden() {
  bool is_any = false;
  for (const auto& [handle, stream] : streams_) {
    if (!stream->capture || stream->capture_mode == cudaStreamCaptureModeRelaxed) continue;
    const bool is_of_others = stream->capture_thread != std::this_thread::get_id();
    if (stream->capture_mode == cudaStreamCaptureModeThreadLocal && is_of_others) continue;
    spoil(*stream);
    is_any = true;
  }
  return is_any;
}

std::string Runtime::take_failure() {
  std::string failure = std::move(failure_);
  failure_.clear();
  return failure;
}

std::string take_failure() {
  const std::lock_guard lock(Runtime::instance().mutex());
  return Runtime::instance().take_failure();
}

}  // namespace gesso::emulator
