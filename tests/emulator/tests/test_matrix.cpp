// The matrix instructions against plain loops. Each fragment is filled and read by the layout that mma.h describes.
#include <cmath>
#include <cstdint>
#include <random>

#include "cuda/device/barrier.h"
#include "cuda/device/bf16.h"
#include "cuda/device/mma.h"
#include "tests/kernel_test.h"

namespace gesso::cuda {
namespace {

std::vector<float> random_values(size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = from_bf16(to_bf16(normal(engine)));
  return values;
}

// d [16, 8] += a [16, 16] b [16, 8]. The fragments are filled element by element.
__global__ void multiply_bf16_kernel(const float* a, const float* b, float* d) {
  const int g = lane_index() / 4, t = lane_index() % 4;
  uint32_t fragment_a[4], fragment_b[2];
  for (int i = 0; i < 4; ++i) {
    const float* pair = a + (g + 8 * (i % 2)) * 16 + 2 * t + 8 * (i / 2);
    fragment_a[i] = pack_bf16(pair[0], pair[1]);
  }
  for (int i = 0; i < 2; ++i) {
    const int k = 2 * t + 8 * i;
    fragment_b[i] = pack_bf16(b[k * 8 + g], b[(k + 1) * 8 + g]);
  }
  float sum[4];
  for (int i = 0; i < 4; ++i) sum[i] = d[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2];
  mma_bf16(sum, fragment_a, fragment_b);
  for (int i = 0; i < 4; ++i) d[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = sum[i];
}

TEST_CASE("mma_bf16") {
  const std::vector<float> a = random_values(16 * 16, 1), b = random_values(16 * 8, 2), c = random_values(16 * 8, 3);
  const OnDevice<float> device_a(a), device_b(b), device_d(c);
  run_kernel(1, 32, 0, multiply_bf16_kernel, device_a, device_b, device_d);
  const std::vector<float> d = device_d.read();
  for (size_t row = 0; row < 16; ++row) {
    for (size_t column = 0; column < 8; ++column) {
      float sum = c[row * 8 + column];
      for (size_t k = 0; k < 16; ++k) sum += a[row * 16 + k] * b[k * 8 + column];
      CHECK(d[row * 8 + column] == sum);
    }
  }
}

uint32_t pack_bytes(const int8_t* bytes, int stride) {
  uint32_t word = 0;
  for (int i = 0; i < 4; ++i) word |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[i * stride])) << 8 * i;
  return word;
}

// d [16, 8] += a [16, K] b [K, 8].
template <int kDepth>
__global__ void multiply_s8_kernel(const int8_t* a, const int8_t* b, int32_t* d) {
  const int g = lane_index() / 4, t = lane_index() % 4;
  uint32_t fragment_a[kDepth / 8], fragment_b[kDepth / 16];
  for (int i = 0; i < kDepth / 8; ++i) {
    fragment_a[i] = pack_bytes(a + (g + 8 * (i % 2)) * kDepth + 4 * t + 16 * (i / 2), 1);
  }
  for (int i = 0; i < kDepth / 16; ++i) fragment_b[i] = pack_bytes(b + (4 * t + 16 * i) * 8 + g, 8);
  int32_t sum[4];
  for (int i = 0; i < 4; ++i) sum[i] = d[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2];
  if constexpr (kDepth == 32) {
    mma_s8(sum, fragment_a, fragment_b, sum);
  } else {
    mma_s8_k16(sum, fragment_a, fragment_b[0], sum);
  }
  for (int i = 0; i < 4; ++i) d[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = sum[i];
}

template <size_t kDepth>
void check_s8() {
  std::mt19937 engine(4);
  std::vector<int8_t> a(16 * kDepth), b(kDepth * 8);
  for (int8_t& value : a) value = static_cast<int8_t>(engine());
  for (int8_t& value : b) value = static_cast<int8_t>(engine());
  std::fill(a.begin(), a.begin() + kDepth, int8_t{-128});  // these make the largest possible sum
  for (size_t k = 0; k < kDepth; ++k) b[k * 8] = -128;
  std::vector<int32_t> c(16 * 8);
  for (int32_t& value : c) value = static_cast<int32_t>(engine()) / 4;
  const OnDevice<int8_t> device_a(a), device_b(b);
  const OnDevice<int32_t> device_d(c);
  run_kernel(1, 32, 0, multiply_s8_kernel<kDepth>, device_a, device_b, device_d);
  const std::vector<int32_t> d = device_d.read();
  for (size_t row = 0; row < 16; ++row) {
    for (size_t column = 0; column < 8; ++column) {
      int32_t sum = c[row * 8 + column];
      for (size_t k = 0; k < kDepth; ++k) sum += a[row * kDepth + k] * b[k * 8 + column];
      CHECK(d[row * 8 + column] == sum);
    }
  }
}

TEST_CASE("mma_s8") { check_s8<32>(); }
TEST_CASE("mma_s8_k16") { check_s8<16>(); }

// Loads four 8 x 8 matrices from shared memory. Their rows are 24 values apart. out is [3 kinds][4 registers][32
// lanes].
__global__ void load_kernel(uint32_t* out) {
  uint16_t* shared = shared_memory<uint16_t>();
  for (int i = lane_index(); i < 4 * 8 * 8; i += 32) shared[i / 8 * 24 + i % 8] = static_cast<uint16_t>(i);
  sync_block();
  const uint16_t* row = shared + lane_index() * 24;
  uint32_t r[4] = {}, two[2] = {};
  load_matrix_x4(r, row);
  for (int i = 0; i < 4; ++i) out[i * 32 + lane_index()] = r[i];
  load_matrix_x4_transposed(r, row);
  for (int i = 0; i < 4; ++i) out[(4 + i) * 32 + lane_index()] = r[i];
  load_matrix_x2(two, row);
  for (int i = 0; i < 2; ++i) out[(8 + i) * 32 + lane_index()] = two[i];
}

TEST_CASE("load_matrix") {
  const OnDevice<uint32_t> device(12 * 32);
  run_kernel(1, 32, 32 * 48, load_kernel, device);
  const std::vector<uint32_t> out = device.read();
  for (uint32_t matrix = 0; matrix < 4; ++matrix) {
    for (uint32_t lane = 0; lane < 32; ++lane) {
      const uint32_t g = lane / 4, t = lane % 4;
      const auto element = [&](uint32_t row, uint32_t column) { return matrix * 64 + row * 8 + column; };
      const uint32_t plain = element(g, 2 * t) | element(g, 2 * t + 1) << 16;
      const uint32_t transposed = element(2 * t, g) | element(2 * t + 1, g) << 16;
      CHECK(out[matrix * 32 + lane] == plain);
      CHECK(out[(4 + matrix) * 32 + lane] == transposed);
      if (matrix < 2) CHECK(out[(8 + matrix) * 32 + lane] == plain);
    }
  }
}

__global__ void load_at_kernel(uint32_t* out, int offset) {
  uint32_t r[2];
  load_matrix_x2(r, shared_memory<uint16_t>() + offset + lane_index() % 16 * 8);
  out[lane_index()] = r[0];
}

TEST_CASE("addresses of load_matrix") {
  const OnDevice<uint32_t> out(32);
  const auto load = [&](int offset) {
    return failure_of([&] { run_kernel(1, 32, 256, load_at_kernel, out, offset); });
  };
  CHECK(load(0) == "no failure");
  CHECK(
      contains(load(8), "thread 15: out of bounds: offset 256 of the block's 256 bytes of shared memory (test_matrix"));
  CHECK(contains(load(4), "misaligned"));
}

// A fragment is read for all lanes at once. So a lane that goes on may overwrite the memory that another lane's values
// came from.
__global__ void load_then_write_kernel(uint32_t* out) {
  uint16_t* shared = shared_memory<uint16_t>();
  for (int i = lane_index(); i < 16 * 8; i += 32) shared[i] = static_cast<uint16_t>(i);
  sync_block();
  uint32_t r[2];
  load_matrix_x2(r, shared + lane_index() % 16 * 8);
  for (int i = 0; i < 16 * 8; ++i) shared[i] = 0;
  out[lane_index()] = r[1];
}

TEST_CASE("load_matrix reads for all lanes at once") {
  const OnDevice<uint32_t> device(32);
  run_kernel(1, 32, 256, load_then_write_kernel, device);
  const std::vector<uint32_t> out = device.read();
  for (uint32_t lane = 0; lane < 32; ++lane) CHECK(out[lane] == (64 + 2 * lane) + ((64 + 2 * lane + 1) << 16));
}

TEST_CASE("bf16 and half precision") {
  CHECK(to_bf16(1.0f) == 0x3f80);
  CHECK(to_bf16(1.00390625f) == 0x3f80);  // half way between two: the even one
  CHECK(to_bf16(1.01171875f) == 0x3f82);
  CHECK(to_bf16(1.00390637f) == 0x3f81);
  CHECK(to_bf16(3.4e38f) == 0x7f80);
  CHECK(from_bf16(to_bf16(NAN)) != from_bf16(to_bf16(NAN)));
  CHECK(pack_bf16(1.0f, -2.0f) == 0xc0003f80u);
  CHECK(bf16_low(0xc0003f80u) == 1.0f);
  CHECK(bf16_high(0xc0003f80u) == -2.0f);
  CHECK(from_half(0x3c00) == 1.0f);
  CHECK(from_half(0xc500) == -5.0f);
  CHECK(from_half(0x0001) == 0x1p-24f);
  CHECK(from_half(0x83ff) == -1023 * 0x1p-24f);
  CHECK(from_half(0x7bff) == 65504.0f);
  CHECK(from_half(0xfc00) == -INFINITY);
  CHECK(std::signbit(from_half(0x8000)));
}

}  // namespace
}  // namespace gesso::cuda
