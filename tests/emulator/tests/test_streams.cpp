// The host code around kernels: when queued work runs, what a capture forbids, and what is counted.
#include "tests/kernel_test.h"

namespace gesso::cuda {
namespace {

__global__ void add_kernel(float* x, float value) { x[threadIdx.x] += value; }

class Stream {
 public:
  Stream() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  operator cudaStream_t() const { return stream_; }
  void wait() const { check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

 private:
  cudaStream_t stream_ = nullptr;
};

// Pinned host memory: the device copies from it and to it while the host goes on.
class Pinned {
 public:
  explicit Pinned(size_t count) : count_(count) {
    check_cuda(cudaMallocHost(&data_, count * sizeof(float)), "cudaMallocHost");
  }
  ~Pinned() { cudaFreeHost(data_); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  float& operator[](size_t i) { return data_[i]; }
  operator float*() { return data_; }
  void fill(float value) { std::fill(data_, data_ + count_, value); }

 private:
  size_t count_;
  float* data_ = nullptr;
};

constexpr size_t kCount = 32;
constexpr size_t kBytes = kCount * sizeof(float);

void add(float* x, float value, cudaStream_t stream) {
  launch("add", {dim3(1), kCount, 0, stream}, add_kernel, x, value);
}

void copy(float* target, const float* source, cudaStream_t stream) {
  check_cuda(cudaMemcpyAsync(target, source, kBytes, cudaMemcpyDefault, stream), "cudaMemcpyAsync");
}

TEST_CASE("a result is there only when the host has waited for it") {
  const Stream stream;
  const OnDevice<float> x(std::vector<float>(kCount, 1.0f));
  Pinned host(kCount);
  host.fill(0);
  add(x, 2, stream);
  copy(host, x, stream);
  CHECK(host[3] == 0);
  stream.wait();
  CHECK(host[3] == 3);
}

TEST_CASE("a pinned buffer that is used again before its copy has run is copied with the new content") {
  const Stream stream;
  const OnDevice<float> x(kCount);
  Pinned host(kCount);
  host.fill(1);
  copy(x, host, stream);
  host.fill(2);
  stream.wait();
  CHECK(x.read()[0] == 2);
  host.fill(3);
  copy(x, host, stream);
  stream.wait();
  host.fill(4);
  CHECK(x.read()[0] == 3);
}

TEST_CASE("copies with memory that is not pinned do not leave it to chance") {
  const Stream stream;
  const OnDevice<float> x(kCount);
  std::vector<float> host(kCount, 1);
  copy(x, host.data(), stream);
  host.assign(kCount, 2);
  add(x, 5, stream);
  copy(host.data(), x, stream);
  CHECK(host[0] == 6);
}

TEST_CASE("the default stream does not wait for non-blocking streams, but for others") {
  const OnDevice<float> x(std::vector<float>(kCount, 1.0f));
  const Stream stream;
  add(x, 1, stream);
  CHECK(x.read()[0] == 1);
  stream.wait();
  CHECK(x.read()[0] == 2);
  cudaStream_t blocking = nullptr;
  check_cuda(cudaStreamCreate(&blocking), "cudaStreamCreate");
  add(x, 1, blocking);
  CHECK(x.read()[0] == 3);
  cudaStreamDestroy(blocking);
}

TEST_CASE("events order streams") {
  const Stream producer, consumer;
  const OnDevice<float> x(std::vector<float>(kCount, 1.0f)), y(kCount);
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreate(&event), "cudaEventCreate");
  add(x, 1, producer);
  copy(y, x, consumer);  // this does not wait for the other stream
  check_cuda(cudaEventRecord(event, producer), "cudaEventRecord");
  consumer.wait();
  CHECK(y.read()[0] == 1);
  check_cuda(cudaStreamWaitEvent(consumer, event), "cudaStreamWaitEvent");
  copy(y, x, consumer);
  consumer.wait();
  CHECK(y.read()[0] == 2);
  add(x, 1, producer);
  check_cuda(cudaEventRecord(event, producer), "cudaEventRecord");
  CHECK(cudaEventQuery(event) == cudaErrorNotReady);
  CHECK(cudaEventQuery(event) == cudaSuccess);
  CHECK(x.read()[0] == 3);
  cudaEventDestroy(event);
}

cudaGraphExec_t record(cudaStream_t stream, float* x, float* host) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  copy(x, host, stream);
  add(x, 1, stream);
  copy(host, x, stream);
  check_cuda(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  check_cuda(cudaGraphInstantiate(&executable, graph), "cudaGraphInstantiate");
  cudaGraphDestroy(graph);
  return executable;
}

TEST_CASE("a capture records, and its graph reads pinned memory anew each time") {
  const Stream stream;
  const OnDevice<float> x(kCount);
  Pinned host(kCount);
  host.fill(1);
  const cudaGraphExec_t graph = record(stream, x, host);
  stream.wait();
  CHECK(host[0] == 1);
  const int64_t launches = emulator::num_graph_launches();
  for (int i = 0; i < 2; ++i) {
    check_cuda(cudaGraphLaunch(graph, stream), "cudaGraphLaunch");
    stream.wait();
    CHECK(host[0] == static_cast<float>(2 + i));
  }
  host.fill(10);
  check_cuda(cudaGraphLaunch(graph, stream), "cudaGraphLaunch");
  host.fill(20);
  stream.wait();
  CHECK(host[0] == 21);
  CHECK(emulator::num_graph_launches() == launches + 3);
  cudaGraphExecDestroy(graph);
}

// Calls `forbidden` during a capture and returns its error. The capture must be invalid afterwards.
template <typename Forbidden>
cudaError_t in_capture(Forbidden forbidden) {
  const Stream stream;
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  const cudaError_t error = forbidden(static_cast<cudaStream_t>(stream));
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
  CHECK(graph == nullptr);
  CHECK(cudaGetLastError() == cudaErrorStreamCaptureInvalidated);
  return error;
}

TEST_CASE("what a capture forbids") {
  const OnDevice<float> x(kCount);
  std::vector<float> host(kCount);
  void* data = nullptr;
  CHECK(in_capture([&](cudaStream_t) { return cudaMalloc(&data, 16); }) == cudaErrorStreamCaptureUnsupported);
  CHECK(in_capture([&](cudaStream_t) { return cudaMallocHost(&data, 16); }) == cudaErrorStreamCaptureUnsupported);
  CHECK(in_capture([&](cudaStream_t) { return cudaFree(x); }) == cudaErrorStreamCaptureUnsupported);
  CHECK(in_capture([&](cudaStream_t stream) { return cudaStreamSynchronize(stream); }) ==
        cudaErrorStreamCaptureUnsupported);
  CHECK(in_capture([&](cudaStream_t) { return cudaDeviceSynchronize(); }) == cudaErrorStreamCaptureUnsupported);
  CHECK(in_capture([&](cudaStream_t) { return cudaMemset(x, 0, kBytes); }) == cudaErrorStreamCaptureImplicit);
  CHECK(in_capture([&](cudaStream_t stream) {
          return cudaMemcpyAsync(x, host.data(), kBytes, cudaMemcpyDefault, stream);
        }) == cudaErrorStreamCaptureUnsupported);
}

TEST_CASE("copies beyond an allocation, or the wrong way") {
  const OnDevice<float> x(kCount);
  std::vector<float> host(kCount + 1);
  CHECK(cudaMemcpy(x, host.data(), kBytes + 4, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(x, host.data(), kBytes, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemset(x, 0, kBytes + 4) == cudaErrorInvalidValue);
  CHECK(cudaMemset(x, 0, kBytes) == cudaSuccess);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaSuccess);
}

TEST_CASE("rows of a matrix are copied") {
  const OnDevice<float> x(std::vector<float>{1, 2, 3, 4, 5, 6});
  float host[4] = {};
  check_cuda(cudaMemcpy2DAsync(host, 8, x + 1, 12, 8, 2, cudaMemcpyDeviceToHost), "cudaMemcpy2DAsync");
  CHECK(host[0] == 2);
  CHECK(host[1] == 3);
  CHECK(host[2] == 5);
  CHECK(host[3] == 6);
}

// Far from any allocation there may be memory of the host, but not at null.
__global__ void broken_kernel(float* x) { *x = 1; }

TEST_CASE("a kernel's failure stays until it has been told") {
  const OnDevice<float> x(kCount);
  const Stream stream;
  launch("broken", {dim3(1), 32, 0, stream}, broken_kernel, nullptr);
  add(x, 1, stream);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorLaunchFailure);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorLaunchFailure);
  CHECK(contains(cudaGetErrorString(cudaErrorLaunchFailure), "kernel broken, block (0, 0, 0), thread"));
  CHECK(contains(failure_of([&] { add(x, 1, stream); }), "kernel broken"));
  CHECK(failure_of([&] { add(x, 1, stream); }) == "no failure");
  launch("broken", {dim3(1), 32, 0, stream}, broken_kernel, nullptr);
  cudaStreamSynchronize(stream);
  CHECK(contains(emulator::take_failure(), "kernel broken"));
  CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
  CHECK(emulator::take_failure() == "");
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
}

TEST_CASE("launches that CUDA refuses") {
  const OnDevice<float> x(kCount);
  const auto refused = [&](dim3 grid, int block, int64_t shared) {
    return failure_of([&] { launch("add", {grid, block, shared, nullptr}, add_kernel, static_cast<float*>(x), 1.0f); });
  };
  CHECK(refused(dim3(1), 32, 227 * 1024) == "no failure");
  CHECK(contains(refused(dim3(1), 32, 227 * 1024 + 1), "add: cudaErrorInvalidValue"));
  CHECK(contains(refused(dim3(1), 1025, 0), "add: cudaErrorInvalidConfiguration"));
  CHECK(contains(refused(dim3(1, 65536), 32, 0), "add: cudaErrorInvalidConfiguration"));
  CHECK(refused(dim3(1, 0), 32, 0) == "no failure");
  emulator::set_architecture(86);
  CHECK(refused(dim3(1), 32, 99 * 1024) == "no failure");
  CHECK(contains(refused(dim3(1), 32, 100 * 1024), "add: cudaErrorInvalidValue"));
  CHECK_THROWS_AS(emulator::set_architecture(70), std::invalid_argument);
  emulator::reset_settings();
}

TEST_CASE("memory has an end, and is counted") {
  const int64_t before = emulator::allocated_bytes(0);
  emulator::set_total_bytes(before + 1000);
  emulator::reset_peak_bytes(0);
  {
    const OnDevice<char> some(600);
    CHECK(emulator::allocated_bytes(0) == before + 600);
    size_t free = 0, total = 0;
    check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    CHECK(free == 400);
    CHECK(total == static_cast<size_t>(before + 1000));
    CHECK_THROWS_AS(OnDevice<char>(401), OutOfMemory);
    CHECK_NOTHROW(OnDevice<char>(400));
  }
  CHECK(emulator::allocated_bytes(0) == before);
  CHECK(emulator::peak_bytes(0) == before + 1000);
  emulator::reset_settings();
}

TEST_CASE("a dry run only counts") {
  emulator::set_dry_run(true);
  emulator::set_total_bytes(int64_t{1} << 46);
  const int64_t before = emulator::allocated_bytes(0), kernels = emulator::num_kernels_run(),
                launched = emulator::num_kernels_launched();
  {
    const OnDevice<float> x(size_t{1} << 34);
    CHECK(emulator::allocated_bytes(0) - before == int64_t{4} << 34);
    add(x, 1, nullptr);
    std::vector<float> host(kCount, 7);
    copy(x, host.data(), nullptr);
    copy(host.data(), x, nullptr);
    CHECK(host[0] == 7);
    check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
  CHECK(emulator::num_kernels_run() == kernels);
  CHECK(emulator::num_kernels_launched() == launched + 1);
  emulator::reset_settings();
}

TEST_CASE("several devices have their own memory") {
  emulator::set_num_devices(2);
  const OnDevice<float> x(std::vector<float>(kCount, 1.0f));
  check_cuda(cudaSetDevice(1), "cudaSetDevice");
  CHECK(cudaSetDevice(2) == cudaErrorInvalidDevice);
  CHECK(cudaGetLastError() == cudaErrorInvalidDevice);
  {
    const OnDevice<float> y(std::vector<float>(kCount, 2.0f));
    CHECK(emulator::allocated_bytes(1) == static_cast<int64_t>(kBytes));
    run_kernel(1, 32, 0, add_kernel, y, 1.0f);
    CHECK(y.read()[0] == 3);
    CHECK(contains(failure_of([&] { run_kernel(1, 32, 0, add_kernel, x, 1.0f); }), "memory of another device"));
  }
  check_cuda(cudaSetDevice(0), "cudaSetDevice");
  emulator::reset_settings();
}

TEST_CASE("waits, allocations and bytes are counted") {
  const Stream stream;
  const int64_t allocations = emulator::num_allocations();
  const OnDevice<float> x(kCount);
  Pinned host(kCount);
  CHECK(emulator::num_allocations() == allocations + 2);
  const int64_t waits = emulator::num_host_waits(), bytes = emulator::bytes_to_host();
  add(x, 1, stream);
  copy(host, x, stream);
  CHECK(emulator::num_host_waits() == waits);
  stream.wait();
  CHECK(emulator::num_host_waits() == waits + 1);
  CHECK(emulator::bytes_to_host() == bytes + static_cast<int64_t>(kBytes));
  x.read();
  CHECK(emulator::num_host_waits() == waits + 2);
  CHECK(emulator::bytes_to_host() == bytes + 2 * static_cast<int64_t>(kBytes));
}

TEST_CASE("what devices say of themselves") {
  emulator::set_architecture(121);
  emulator::set_integrated(true);
  emulator::set_num_multiprocessors(48);
  cudaDeviceProp properties;
  check_cuda(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  CHECK(properties.major == 12);
  CHECK(properties.minor == 1);
  CHECK(properties.integrated == 1);
  CHECK(properties.multiProcessorCount == 48);
  CHECK(properties.sharedMemPerBlockOptin == 99 * 1024);
  int value = 0;
  check_cuda(cudaDeviceGetAttribute(&value, cudaDevAttrPageableMemoryAccess, 0), "cudaDeviceGetAttribute");
  CHECK(value == 1);
  emulator::set_num_devices(0);
  CHECK(cudaGetDeviceCount(&value) == cudaErrorNoDevice);
  cudaGetLastError();
  emulator::reset_settings();
}

}  // namespace
}  // namespace gesso::cuda
