// wgmma against plain loops. The layouts are written down here a second time, from PTX's documentation.
#include <doctest/doctest.h>

#include <bit>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "cuda/block/swizzle.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/device/wgmma.h"
#include "emulator.h"
#include "quant/half.h"

namespace {

using namespace gesso;
using namespace gesso::cuda;

constexpr int kThreads = 128;
constexpr int kRows = 64;
constexpr int kColumns = 64;  // of a tile: the inner dimension of four products

// Of what the values are, and where A is. B is always in shared memory.
enum Operands { kBF16, kBF16Registers, kF16Registers };

// Many of the f16 are subnormal.
template <Operands kOperands>
std::vector<uint16_t> random_values(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<uint16_t> values(count);
  for (uint16_t& value : values) {
    value = kOperands == kF16Registers ? quant::float_to_half(normal(random) * 0x1p-14f)
                                       : static_cast<uint16_t>(std::bit_cast<uint32_t>(normal(random)) >> 16);
  }
  return values;
}

template <Operands kOperands>
double value_of(uint16_t bits) {
  return static_cast<double>(kOperands == kF16Registers ? quant::half_to_float(bits)
                                                        : std::bit_cast<float>(uint32_t{bits} << 16));
}

enum Mistake { kNone, kNoSwizzle, kNoBarrier, kNoWait, kNoProxyFence, kNoFence, kOverwrites, kTouchesRegisters };

// `mistake` chooses what the kernel does wrong. a is [steps, 64, 64], b is [steps, N, 64], and out [64, N] = the sum
// over steps s of a[s] b[s]^T.
struct Arguments {
  const uint16_t* a;
  const uint16_t* b;
  float* out;
  int num_steps;
  Mistake mistake;
};

void write_tile(std::byte* tile, const uint16_t* values, int rows, bool is_swizzled) {
  for (int i = static_cast<int>(threadIdx.x); i < rows * 8; i += kThreads) {
    const int row = i / 8, piece = i % 8;
    const int offset = is_swizzled ? swizzled_offset(row, piece) : row * 128 + piece * 16;
    std::memcpy(tile + offset, values + row * kColumns + piece * 8, 16);
  }
}

// The registers of A [64, 16], which begins at `a` in rows of 64 values.
void load_fragment(const uint16_t* a, uint32_t (&fragment)[4]) {
  for (int i = 0; i < 4; ++i) {
    const int row = warp_index() * 16 + lane_index() / 4 + i % 2 * 8, column = lane_index() % 4 * 2 + i / 2 * 8;
    std::memcpy(&fragment[i], a + row * kColumns + column, 4);
  }
}

template <int N, Operands kOperands>
void product_kernel(Arguments arguments) {
  const Mistake mistake = arguments.mistake;
  std::byte* memory = shared_memory<std::byte>();
  memory += (1024 - shared_address(memory) % 1024) % 1024;
  constexpr int kTileBytes = kRows * 128, kStageBytes = kTileBytes + N * 128;
  float sums[N / 2];
  uint32_t fragments[2][4][4];
  for (int step = 0; step < arguments.num_steps; ++step) {
    std::byte* tile_a = memory + (mistake == kOverwrites ? 0 : step % 2) * kStageBytes;
    std::byte* tile_b = tile_a + kTileBytes;
    write_tile(tile_a, arguments.a + step * kRows * kColumns, kRows, mistake != kNoSwizzle);
    write_tile(tile_b, arguments.b + step * N * kColumns, N, mistake != kNoSwizzle);
    if (mistake != kNoProxyFence) fence_async_proxy();
    if (mistake != kNoBarrier) sync_block();
    if (mistake != kNoFence) wgmma_fence();
    for (int k = 0; k < 4; ++k) {
      const WgmmaOperand b = further_on(wgmma_operand(tile_b, 0), 32 * k);
      if constexpr (kOperands != kBF16) {
        uint32_t(&fragment)[4] = fragments[mistake == kTouchesRegisters ? 0 : step % 2][k];
        load_fragment(arguments.a + step * kRows * kColumns + 16 * k, fragment);
        if constexpr (kOperands == kF16Registers) {
          wgmma_f16(sums, fragment, b, step > 0 || k > 0);
        } else {
          wgmma_bf16(sums, fragment, b, step > 0 || k > 0);
        }
      } else {
        wgmma_bf16(sums, wgmma_operand(tile_a, k), b, step > 0 || k > 0);
      }
    }
    wgmma_commit();
    wgmma_wait<1>();
    sync_block();
  }
  if (mistake != kNoWait) wgmma_finish(sums);
  const int row = warp_index() * 16 + lane_index() / 4;
  for (int i = 0; i < N / 2; ++i) {
    const int r = row + i / 2 % 2 * 8, column = i / 4 * 8 + lane_index() % 4 * 2 + i % 2;
    arguments.out[r * N + column] = sums[i];
  }
}

template <typename T>
T* to_device(const std::vector<T>& values) {
  void* data = nullptr;
  REQUIRE(cudaMalloc(&data, values.size() * sizeof(T)) == cudaSuccess);
  REQUIRE(cudaMemcpy(data, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  return static_cast<T*>(data);
}

template <int N, Operands kOperands = kBF16>
struct Problem {
  std::vector<uint16_t> a, b;
  std::vector<float> out;
  int num_steps;

  Problem(int num_steps, uint32_t seed)
      : a(random_values<kOperands>(static_cast<size_t>(num_steps) * kRows * kColumns, seed)),
        b(random_values<kOperands>(static_cast<size_t>(num_steps) * N * kColumns, seed + 1)),
        out(static_cast<size_t>(kRows) * N),
        num_steps(num_steps) {}

  // Returns an empty string, or what the kernel did wrong.
  std::string run(Mistake mistake) {
    Arguments arguments = {to_device(a), to_device(b), to_device(out), num_steps, mistake};
    launch("product", {dim3(1), kThreads, 1024 + 2 * (kRows + N) * 128, nullptr}, product_kernel<N, kOperands>,
           arguments);
    const cudaError_t error = cudaDeviceSynchronize();
    std::string failure = error == cudaSuccess ? "" : emulator::take_failure();
    if (error == cudaSuccess) {
      REQUIRE(cudaMemcpy(out.data(), arguments.out, out.size() * sizeof(float), cudaMemcpyDeviceToHost) == cudaSuccess);
    }
    cudaFree(const_cast<uint16_t*>(arguments.a));
    cudaFree(const_cast<uint16_t*>(arguments.b));
    cudaFree(arguments.out);
    return failure;
  }

  // The worst error, divided by the sum of the magnitudes of what is added. It is NaN where a result is NaN.
  double worst_error() const {
    double worst = 0;
    for (int r = 0; r < kRows; ++r) {
      for (int n = 0; n < N; ++n) {
        double sum = 0, size = 0;
        for (int step = 0; step < num_steps; ++step) {
          for (int k = 0; k < kColumns; ++k) {
            const double product = value_of<kOperands>(a[static_cast<size_t>((step * kRows + r) * kColumns + k)]) *
                                   value_of<kOperands>(b[static_cast<size_t>((step * N + n) * kColumns + k)]);
            sum += product;
            size += std::abs(product);
          }
        }
        const double error = std::abs(static_cast<double>(out[static_cast<size_t>(r * N + n)]) - sum) / size;
        if (!(error <= worst)) worst = error;
      }
    }
    return worst;
  }
};

struct Device {
  Device() { emulator::set_architecture(90); }
  ~Device() { emulator::reset_settings(); }
};

template <int N, Operands kOperands = kBF16>
void check_products() {
  Device device;
  for (uint64_t seed : {1, 2, 3}) {
    emulator::set_seed(seed);
    Problem<N, kOperands> problem(3, static_cast<uint32_t>(seed));
    CHECK(problem.run(kNone) == "");
    CHECK(problem.worst_error() < 1e-6);
  }
}

// True if for some order of the threads the emulator reports the mistake, or, without a message, the result is wrong.
template <int N = 64, Operands kOperands = kBF16>
bool is_seen(Mistake mistake, const std::string& message) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    emulator::set_seed(seed);
    Problem<N, kOperands> problem(3, static_cast<uint32_t>(seed));
    const std::string failure = problem.run(mistake);
    if (message.empty() ? !(problem.worst_error() < 1e-6) || !failure.empty()
                        : failure.find(message) != std::string::npos) {
      return true;
    }
  }
  return false;
}

TEST_CASE("wgmma multiplies as plain loops do") {
  check_products<64>();
  check_products<128>();
  check_products<256>();
}

TEST_CASE("wgmma multiplies registers as plain loops do") {
  check_products<32, kBF16Registers>();
  check_products<64, kBF16Registers>();
  check_products<128, kBF16Registers>();
  check_products<256, kBF16Registers>();
  check_products<24, kF16Registers>();
  check_products<96, kF16Registers>();
  check_products<144, kF16Registers>();
  check_products<160, kF16Registers>();
}

TEST_CASE("mistakes with registers are seen") {
  Device device;
  CHECK(is_seen<24, kF16Registers>(kNoBarrier, ""));
  CHECK(is_seen<24, kF16Registers>(kNoProxyFence, "no fence_async_proxy"));
  CHECK(is_seen<24, kF16Registers>(kOverwrites, "written while its product was under way"));
  CHECK(is_seen<24, kF16Registers>(kTouchesRegisters, "written while its product was under way"));
}

TEST_CASE("mistakes with wgmma are seen") {
  Device device;
  CHECK(is_seen(kNoSwizzle, ""));
  CHECK(is_seen(kNoBarrier, ""));
  CHECK(is_seen(kNoWait, ""));
  CHECK(is_seen(kNoProxyFence, "no fence_async_proxy"));
  CHECK(is_seen(kNoFence, "no wgmma_fence"));
  CHECK(is_seen(kOverwrites, "written while its product was under way"));
}

TEST_CASE("other architectures have no wgmma") {
  Device device;
  emulator::set_architecture(120);
  CHECK(Problem<64>(1, 1).run(kNone).find("only sm_90") != std::string::npos);
}

}  // namespace
