// Forbidden uses of memory by a kernel or its host code.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "tests/kernel_test.h"

namespace gesso::cuda {
namespace {

using emulator::compare_seeds;

PLANTED_MISTAKE __global__ void read_kernel(const float* x, float* out, int64_t index) {
  if (threadIdx.x == 5) out[0] = x[index];
}

PLANTED_MISTAKE __global__ void write_kernel(float* out, int64_t index) {
  if (threadIdx.x == 5) out[index] = 1;
}

TEST_CASE("reads beyond an allocation") {
  const OnDevice<float> x(std::vector<float>(8, 2.0f)), out(1);
  const auto read = [&](int64_t index) {
    return failure_of([&] { run_kernel(1, 32, 0, read_kernel, x, out, index); });
  };
  CHECK(read(7) == "no failure");
  CHECK(out.read()[0] == 2.0f);
  const std::string behind = read(8);
  CHECK(contains(behind,
                 "kernel test_kernel, block (0, 0, 0), thread 5: out of bounds: 0 bytes behind the end of 32 "
                 "bytes of device memory"));
  CHECK(contains(read(-2000), "bytes before 32 bytes of device memory"));
  // An address shortly before the memory is on no untouchable page. But what is read there is NaN.
  CHECK(read(-1) == "no failure");
  CHECK(out.read()[0] != out.read()[0]);
}

TEST_CASE("writes beyond an allocation") {
  const OnDevice<float> out(5);
  const auto write = [&](int64_t index) { return failure_of([&] { run_kernel(1, 32, 0, write_kernel, out, index); }); };
  CHECK(write(4) == "no failure");
  CHECK(contains(write(5), "kernel test_kernel: out of bounds: written behind 20 bytes of device memory"));
  CHECK(contains(write(8), "thread 5: out of bounds: 12 bytes behind the end of 20 bytes of device memory"));
  CHECK(contains(write(-1), "out of bounds: written before 20 bytes of device memory"));
  CHECK(write(4) == "no failure");
}

TEST_CASE("memory that was freed") {
  float* freed = nullptr;
  check_cuda(cudaMalloc(&freed, 64), "cudaMalloc");
  check_cuda(cudaFree(freed), "cudaFree");
  const std::string failure = failure_of([&] { run_kernel(1, 32, 0, write_kernel, freed, int64_t{0}); });
  CHECK(contains(failure, "an argument points to an address in 64 bytes of device memory that were freed"));
}

TEST_CASE("fresh device memory is poisoned") {
  for (uint32_t word : OnDevice<uint32_t>(100).read()) CHECK(word == 0xffffffffu);
}

TEST_CASE("pointers to the host's memory") {
  float host[4] = {};
  const auto write = [&](float* out) {
    return failure_of([&] { run_kernel(1, 32, 0, write_kernel, out, int64_t{0}); });
  };
  CHECK(contains(write(host), "an argument points to address 0x"));
  CHECK(contains(write(nullptr), "thread 5: out of bounds"));
  float* pinned = nullptr;
  check_cuda(cudaMallocHost(&pinned, 16), "cudaMallocHost");
  CHECK(write(pinned) == "no failure");
  CHECK(pinned[0] == 1);
  cudaFreeHost(pinned);
  emulator::set_integrated(true);
  CHECK(write(host) == "no failure");
  CHECK(host[0] == 1);
  emulator::reset_settings();
}

struct Arguments {
  float unused;  // padding follows, which must not be taken for half of a pointer
  int64_t index;
  float* out;
};

__global__ void write_struct_kernel(Arguments arguments) { arguments.out[arguments.index] = 1; }

TEST_CASE("pointers to the host's memory in structs") {
  std::vector<float> host(4);
  const OnDevice<float> x(4);
  const auto write = [&](float* out, int64_t index) {
    return failure_of([&] { run_kernel(1, 32, 0, write_struct_kernel, Arguments{1e-6f, index, out}); });
  };
  CHECK(write(x, 3) == "no failure");
  CHECK(write(x - 100, 103) == "no failure");
  CHECK(contains(write(host.data(), 3), "kernel test_kernel: an argument has a pointer to address 0x"));
}

TEST_CASE("the host cannot touch device memory") {
  const OnDevice<float> x(std::vector<float>(8, 2.0f));
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);
    volatile float* data = x;
    _exit(data[0] == 2.0f ? 1 : 2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
}

__global__ void write_shared_kernel(float* out, int index) {
  float* shared = shared_memory<float>();
  shared[threadIdx.x] = 0;
  sync_block();
  if (threadIdx.x == 9) shared[index] = 1;
  sync_block();
  out[0] = shared[0];
}

__global__ void read_shared_kernel(float* out, int index) { out[0] = shared_memory<float>()[index]; }

TEST_CASE("beyond shared memory") {
  const OnDevice<float> out(1);
  const auto write = [&](size_t bytes, int index) {
    return failure_of([&] { run_kernel(1, 32, bytes, write_shared_kernel, out, index); });
  };
  CHECK(write(128, 31) == "no failure");
  CHECK(contains(write(128, 32), "thread 9: out of bounds: an address beside the block's 128 bytes of shared memory"));
  CHECK(contains(write(132, 33), "out of bounds: written behind the block's 132 bytes of shared memory"));
  CHECK(contains(write(128, -1), "out of bounds: written before the block's 128 bytes of shared memory"));
  CHECK(failure_of([&] { run_kernel(1, 32, 128, read_shared_kernel, out, 31); }) == "no failure");
  CHECK(contains(failure_of([&] { run_kernel(1, 32, 128, read_shared_kernel, out, 32); }), "shared memory"));
}

__global__ void read_vector_kernel(const float* x, float4* out, int offset) {
  out[threadIdx.x] = *reinterpret_cast<const float4*>(x + offset + 4 * threadIdx.x);
}

TEST_CASE("vectors need their alignment") {
  const OnDevice<float> x(std::vector<float>(132, 2.0f));
  const OnDevice<float4> out(32);
  const auto read = [&](int offset) {
    return failure_of([&] { run_kernel(1, 32, 0, read_vector_kernel, x, out, offset); });
  };
  CHECK(read(4) == "no failure");
  CHECK(contains(read(1), "misaligned: an address that is 4 more than a multiple of 16"));
  CHECK(contains(read(1), "float4"));
  CHECK(contains(read(1), "(test_memory.cpp:"));
}

__global__ void index_kernel(int* out, int index) {
  int values[4] = {1, 2, 3, 4};
  values[index] = 7;
  out[0] = values[0];
}

TEST_CASE("indices of a thread's own arrays") {
  const OnDevice<int> out(1);
  const auto write = [&](int index) { return failure_of([&] { run_kernel(1, 32, 0, index_kernel, out, index); }); };
  CHECK(write(3) == "no failure");
  CHECK(contains(write(4), "out of bounds: index 4 of an array"));
  CHECK(contains(write(-1), "out of bounds: index -1 of an array"));
}

// Stages of 32 vectors pass through two buffers in shared memory: one is copied while the one before it is added up.
struct Stages {
  bool waits = true;
  bool has_barrier_before_reading = true;
  bool has_barrier_before_reuse = true;
};

__global__ void stages_kernel(const float* x, float* out, int num_stages, Stages stages) {
  float* shared = shared_memory<float>();
  const int thread = static_cast<int>(threadIdx.x);
  const auto start = [&](int stage) {
    const bool valid = stage < num_stages;
    copy_async_16(shared + (stage % 2 * 32 + thread) * 4, x + (valid ? stage * 128 + thread * 4 : 0), valid);
    commit_copies();
  };
  start(0);
  float sum = 0;
  for (int stage = 0; stage < num_stages; ++stage) {
    start(stage + 1);
    if (stages.waits) wait_copies<1>();
    if (stages.has_barrier_before_reading) sync_block();
    for (int i = 0; i < 4; ++i) sum += shared[stage % 2 * 128 + (thread * 4 + i * 36) % 128];
    if (stages.has_barrier_before_reuse) sync_block();
  }
  out[thread] = sum;
}

std::vector<float> run_stages(Stages stages) {
  std::vector<float> x(5 * 128);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * i % 97);
  const OnDevice<float> in(x), out(32);
  run_kernel(1, 32, 1024, stages_kernel, in, out, 5, stages);
  return out.read();
}

bool has_poison(const std::vector<float>& values) {
  for (float value : values) {
    if (value != value) return true;
  }
  return false;
}

TEST_CASE("asynchronous copies arrive at the wait that covers them") {
  CHECK_FALSE(has_poison(run_stages({})));
  CHECK(compare_seeds(8, [] { return run_stages({}); }) == "");
  float expected = 0;
  for (size_t stage = 0; stage < 5; ++stage) {
    for (size_t i = 0; i < 4; ++i) {
      const size_t index = stage * 128 + (3 * 4 + i * 36) % 128;
      expected += static_cast<float>(index * index % 97);
    }
  }
  CHECK(run_stages({})[3] == expected);
}

TEST_CASE("a missing wait, and missing barriers around a stage, are seen") {
  CHECK(has_poison(run_stages({.waits = false})));
  CHECK(has_poison(run_stages({.has_barrier_before_reading = false})));
  CHECK(has_poison(run_stages({.has_barrier_before_reuse = false})));
}

__global__ void copy_kernel(float* out, const float* x, int shared_offset, int offset, bool valid) {
  float* shared = shared_memory<float>();
  copy_async_16(shared + shared_offset, x + offset, valid);
  commit_copies();
  wait_copies<0>();
  sync_block();
  out[0] = shared[shared_offset];
}

TEST_CASE("addresses of asynchronous copies") {
  const OnDevice<float> x(std::vector<float>(8, 2.0f)), out(1);
  const auto copy = [&](int shared_offset, int offset, bool valid) {
    return failure_of([&] { run_kernel(1, 32, 64, copy_kernel, out, x, shared_offset, offset, valid); });
  };
  CHECK(copy(12, 4, true) == "no failure");
  CHECK(out.read()[0] == 2.0f);
  CHECK(copy(12, 1000000, false) == "no failure");
  CHECK(out.read()[0] == 0.0f);
  CHECK(contains(copy(12, 8, true), "out of bounds: 0 bytes behind the end of 32 bytes of device memory"));
  CHECK(contains(copy(16, 0, true), "out of bounds: offset 64 of the block's 64 bytes of shared memory"));
  CHECK(contains(copy(1, 0, true), "misaligned: offset 4"));
  CHECK(contains(copy(0, 1, true), "the global address is not aligned"));
}

// Of 32 numbers, which are 1 before, a copy replaces those of the lanes that take part.
__global__ void conditional_kernel(float* out, const float* x, int num_lanes) {
  float* shared = shared_memory<float>();
  const int lane = lane_index();
  for (int i = 0; i < 4; ++i) shared[4 * lane + i] = 1;
  copy_async_16_if(lane < num_lanes, shared + 4 * lane, x + (lane < num_lanes ? 4 * lane : 1000000));
  commit_copies();
  wait_copies<0>();
  for (int i = 0; i < 4; ++i) out[4 * lane + i] = shared[4 * lane + i];
}

TEST_CASE("a copy with a condition leaves alone what it does not copy") {
  const OnDevice<float> x(std::vector<float>(20, 2.0f)), out(128);
  run_kernel(1, 32, 512, conditional_kernel, out, x, 5);
  const std::vector<float> values = out.read();
  for (size_t i = 0; i < 128; ++i) CHECK(values[i] == (i < 20 ? 2.0f : 1.0f));
}

}  // namespace
}  // namespace gesso::cuda
