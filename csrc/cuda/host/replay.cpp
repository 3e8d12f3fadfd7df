// Records sequences of ops as CUDA graphs, and plays them back.
#include "ops/replay.h"

#include <map>

#include "cuda/host/cuda_error.h"
#include "cuda/host/queue.h"
#include "ops/current_device.h"
#include "ops/trace_range.h"

namespace gesso::cuda {
namespace {

// A batch has one recording for each number of canvases under way, with and without self-conditioning. If there are
// more than this, addresses have changed, and the old recordings are of no use.
constexpr size_t kMaxRecordings = 64;

// An executable graph. It is empty until a key is run for the second time.
class Recording {
 public:
  Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording() {
    if (!executable_) return;
    try {
      const CurrentDevice current(device_);
      cudaGraphExecDestroy(executable_);  // one that is still being played back goes later
    } catch (const Error&) {              // the device is lost, and the graph with it
    }
  }

  bool is_made() const { return executable_ != nullptr; }
  void launch(cudaStream_t stream) { check_cuda(cudaGraphLaunch(executable_, stream), "cudaGraphLaunch"); }
  void record(const Queue& queue, const std::function<void()>& body);

 private:
  int device_ = 0;
  cudaGraphExec_t executable_ = nullptr;
};

void Recording::record(const Queue& queue, const std::function<void()>& body) {
  const cudaStream_t stream = queue.stream();
  device_ = queue.device();
  cudaGraph_t graph = nullptr;
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  try {
    body();
  } catch (...) {
    cudaStreamEndCapture(stream, &graph);  // ends the recording; a graph that broke comes back as null
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError();
    throw;
  }
  check_cuda(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  const cudaError_t error = cudaGraphInstantiate(&executable_, graph, 0);
  cudaGraphDestroy(graph);
  check_cuda(error, "cudaGraphInstantiate");
}

using Recordings = std::map<std::vector<int64_t>, Recording>;

}  // namespace

void replay(const Context& context, std::shared_ptr<void>& recordings, const std::vector<int64_t>& key,
            const std::function<void()>& body) {
  const CurrentDevice current(*context.queue);
  const ops::TraceRange range(context, "step");  // tools show it in place of the ops of a graph
  if (!recordings) recordings = std::make_shared<Recordings>();
  Recordings& all = *std::static_pointer_cast<Recordings>(recordings);
  std::vector<int64_t> full_key = key;
  full_key.push_back(context.queue->scratch_generation());
  const auto found = all.find(full_key);
  if (found == all.end()) {
    body();
    if (all.size() >= kMaxRecordings) all.clear();
    full_key.back() = context.queue->scratch_generation();  // this run may have moved scratch memory
    all[full_key];
    return;
  }
  if (!found->second.is_made()) found->second.record(*context.queue, body);
  found->second.launch(context.queue->stream());
}

}  // namespace gesso::cuda
