// Drivers, devices of threads, and memory that is given back.
#include <cuda.h>

#include <thread>
#include <utility>

#include "cuda/host/early_start.h"
#include "cuda/host/shared_limit.h"
#include "tests/kernel_test.h"

namespace gesso::cuda {
namespace {

using Devices = std::vector<int>;

__global__ void set_kernel(float* x, float value) { x[threadIdx.x] = value; }

constexpr size_t kCount = 32, kBytes = kCount * sizeof(float);

template <typename Function>
Function* driver_function(const char* name) {
  void* address = nullptr;
  check_cuda(cudaGetDriverEntryPointByVersion(name, &address, 12000, cudaEnableDefault), name);
  return reinterpret_cast<Function*>(address);
}

TEST_CASE("memory that goes before the work that uses it") {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  const OnDevice<float> kept(kCount);
  const auto failure = [&](const auto& queue) {
    float *on_device = nullptr, *on_host = nullptr;
    check_cuda(cudaMalloc(&on_device, kBytes), "cudaMalloc");
    check_cuda(cudaMallocHost(&on_host, kBytes), "cudaMallocHost");
    queue(on_device, on_host);
    cudaFree(on_device);
    cudaFreeHost(on_host);
    return failure_of([&] { check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize"); });
  };
  const auto copy = [&](void* target, const void* source) {
    check_cuda(cudaMemcpyAsync(target, source, kBytes, cudaMemcpyDefault, stream), "cudaMemcpyAsync");
  };
  const char* too_late = "it was freed before the copy had run";
  CHECK(contains(failure([&](float* x, float*) { copy(kept, x); }), too_late));
  CHECK(contains(failure([&](float* x, float*) { copy(x, kept); }), too_late));
  CHECK(contains(failure([&](float*, float* x) { copy(kept, x); }), too_late));
  CHECK(contains(failure([&](float*, float* x) { copy(x, kept); }), too_late));
  const std::vector<float> pageable(kCount);
  CHECK(contains(failure([&](float* x, float*) { copy(x, pageable.data()); }), too_late));
  CHECK(contains(failure([&](float* x, float*) { cudaMemsetAsync(x, 0, kBytes, stream); }), too_late));
  const std::string of_kernel =
      failure([&](float* x, float*) { launch("set", {dim3(1), kCount, 0, stream}, set_kernel, x, 1.0f); });
  CHECK(contains(of_kernel, "freed"));
  CHECK(failure([&](float* x, float*) {
          copy(kept, x);
          check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
        }) == "no failure");
  cudaStreamDestroy(stream);
}

TEST_CASE("a kernel needs its stream's device") {
  emulator::set_num_devices(2);
  const OnDevice<float> x(kCount);
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  const auto run = [&] { launch("set", {dim3(1), kCount, 0, stream}, set_kernel, x, 1.0f); };
  check_cuda(cudaSetDevice(1), "cudaSetDevice");
  CHECK(contains(failure_of(run), "cudaErrorInvalidResourceHandle"));
  check_cuda(cudaSetDevice(0), "cudaSetDevice");
  CHECK(failure_of(run) == "no failure");
  check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  cudaStreamDestroy(stream);
  emulator::reset_settings();
}

template <int>
__global__ void nothing_kernel() {}

template <int kKernel>
bool starts_early() {
  return may_start_early(reinterpret_cast<const void*>(&nothing_kernel<kKernel>), "nothing");
}

TEST_CASE("a kernel is asked once for each device whether it may start early") {
  emulator::set_num_devices(2);
  int64_t known = emulator::num_kernel_queries();
  const auto num_new = [&] {
    const int64_t all = emulator::num_kernel_queries();
    return all - std::exchange(known, all);
  };
  CHECK(starts_early<0>());
  CHECK(starts_early<0>());
  CHECK(num_new() == 1);
  CHECK(starts_early<1>());
  CHECK(num_new() == 1);
  // The second device is an older one.
  emulator::set_architecture(89);
  check_cuda(cudaSetDevice(1), "cudaSetDevice");
  CHECK(!starts_early<0>());
  CHECK(!starts_early<0>());
  CHECK(num_new() == 1);
  check_cuda(cudaSetDevice(0), "cudaSetDevice");
  CHECK(starts_early<0>());
  CHECK(num_new() == 0);
  // Threads that launch it for the first time ask once together.
  emulator::set_architecture(120);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([] { CHECK(starts_early<2>()); });
  for (std::thread& thread : threads) thread.join();
  CHECK(num_new() == 1);
  starts_kernels_early = false;
  CHECK(!starts_early<3>());
  CHECK(num_new() == 0);
  starts_kernels_early = true;
  emulator::reset_settings();
}

TEST_CASE("a kernel may have more shared memory, which is said once for each device") {
  emulator::set_num_devices(2);
  emulator::set_architecture(86);
  int64_t known = emulator::num_kernel_queries();
  const auto num_new = [&] {
    const int64_t all = emulator::num_kernel_queries();
    return all - std::exchange(known, all);
  };
  const auto run = [](int64_t kilobytes) {
    return failure_of([&] { launch("nothing", {dim3(1), 32, kilobytes * 1024, nullptr}, nothing_kernel<4>); });
  };
  CHECK(run(48) == "no failure");
  CHECK(num_new() == 0);
  CHECK(run(49) == "no failure");
  CHECK(run(99) == "no failure");
  CHECK(num_new() == 1);
  check_cuda(cudaSetDevice(1), "cudaSetDevice");
  CHECK(run(99) == "no failure");
  CHECK(num_new() == 1);
  CHECK(contains(run(100), "cudaErrorInvalidValue"));
  CHECK(num_new() == 0);
  // Threads that launch it for the first time say it once together.
  check_cuda(cudaSetDevice(0), "cudaSetDevice");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] { raise_shared_limit(reinterpret_cast<const void*>(&nothing_kernel<5>), "x"); });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(num_new() == 1);
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  emulator::reset_settings();
}

TEST_CASE("contexts that are pushed and popped") {
  emulator::set_num_devices(3);
  auto* get_device = driver_function<CUresult(CUdevice*, int)>("cuDeviceGet");
  auto* retain = driver_function<CUresult(CUcontext*, CUdevice)>("cuDevicePrimaryCtxRetain");
  auto* push = driver_function<CUresult(CUcontext)>("cuCtxPushCurrent");
  auto* pop = driver_function<CUresult(CUcontext*)>("cuCtxPopCurrent");
  CHECK(!driver_function<CUresult()>("cuSomethingElse"));
  emulator::forget_started_devices();
  std::thread([&] {  // a thread that has chosen no device
    CUdevice device = 0;
    CUcontext context = nullptr, popped = nullptr;
    CHECK(get_device(&device, 3) == CUDA_ERROR_INVALID_DEVICE);
    CHECK(get_device(&device, 2) == CUDA_SUCCESS);
    CHECK(retain(&context, device) == CUDA_SUCCESS);
    CHECK(push(context) == CUDA_SUCCESS);
    CHECK(emulator::current_device() == 2);
    check_cuda(cudaFree(nullptr), "cudaFree");
    CHECK(push(context) == CUDA_SUCCESS);
    check_cuda(cudaSetDevice(1), "cudaSetDevice");  // replaces what is on top
    CHECK(emulator::current_device() == 1);
    CHECK(pop(&popped) == CUDA_SUCCESS);
    CHECK(emulator::current_device() == 2);
    CHECK(pop(&popped) == CUDA_SUCCESS);
    CHECK(popped == context);
    CHECK(pop(&popped) == CUDA_ERROR_INVALID_CONTEXT);
    CHECK(emulator::current_device() == 0);
  })
      .join();
  CHECK(emulator::started_devices() == Devices{1, 2});
  size_t free = 0, total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  CHECK(emulator::started_devices() == Devices{0, 1, 2});
  emulator::reset_settings();
}

TEST_CASE("a runtime that does not start") {
  int count = 7, version = 0;
  emulator::set_driver_version(12080);
  CHECK(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver);
  CHECK(count == 0);
  check_cuda(cudaDriverGetVersion(&version), "cudaDriverGetVersion");
  CHECK(version == 12080);
  check_cuda(cudaRuntimeGetVersion(&version), "cudaRuntimeGetVersion");
  CHECK(version == 13000);
  emulator::set_driver_version(0);  // no driver: the runtime's error is the same
  CHECK(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver);
  emulator::set_driver_version(13010);
  check_cuda(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  CHECK(count == 1);
  emulator::set_startup_error(cudaErrorSystemNotReady);
  CHECK(cudaGetDeviceCount(&count) == cudaErrorSystemNotReady);
  cudaGetLastError();
  emulator::reset_settings();
}

}  // namespace
}  // namespace gesso::cuda
