// The layouts of the emulated instructions against those of CuTe, element by element. Matrices hold small integers, so
// that products are exact: an element in a wrong place shows as a wrong sum. A product cannot show that A and B permute
// the columns in the same way. Matrix loads can.
#include <array>
#include <cmath>
#include <random>
#include <utility>

#include "cuda/block/swizzle.h"
#include "cuda/device/barrier.h"
#include "cuda/device/bf16.h"
#include "cuda/device/mma.h"
#include "cuda/device/mma_fp4.h"
#include "cuda/device/wgmma.h"
#include "tests/cute_layouts.h"
#include "tests/kernel_test.h"

namespace gesso::cuda {
namespace {

using cute::Element;
using cute::Fragment;

// Rows that lie one after another.
struct Matrix {
  size_t num_columns;
  std::vector<int> values;

  Matrix(size_t num_rows, size_t num_columns, int lowest, int end, unsigned seed)
      : num_columns(num_columns), values(num_rows * num_columns) {
    std::mt19937 engine(seed);
    for (int& value : values) value = lowest + static_cast<int>(engine() % static_cast<unsigned>(end - lowest));
  }
  int at(size_t row, size_t column) const { return values[row * num_columns + column]; }
  int at(Element element) const { return at(static_cast<size_t>(element.row), static_cast<size_t>(element.column)); }
};

// The registers of all lanes.
template <typename T, size_t kCount>
using Registers = std::array<std::array<T, kCount>, 32>;

// Puts `code(element)` of every element of a fragment into the lanes' registers.
template <size_t kCount, typename Code>
void fill(const Fragment& fragment, int bits, const Code& code, Registers<uint32_t, kCount>& registers) {
  const size_t values_of_word = 32 / static_cast<size_t>(bits);
  for (size_t thread = 0; thread < fragment.num_threads(); ++thread) {
    for (size_t value = 0; value < fragment.num_values(); ++value) {
      uint32_t& word = registers[thread][value / values_of_word];
      word |= code(fragment.at(thread, value)) << value % values_of_word * static_cast<size_t>(bits);
    }
  }
}

enum Kind { kBf16, kS8, kS8K16, kNvfp4, kMxfp4 };

struct Operands {
  Registers<uint32_t, 4> a = {};
  Registers<uint32_t, 2> b = {};
  std::array<uint32_t, 32> scales_a = {}, scales_b = {};
  Registers<float, 4> d = {};
};

__global__ void multiply_kernel(Operands* operands, Kind kind) {
  const auto lane = static_cast<size_t>(lane_index());
  const auto& a = operands->a[lane];
  const auto& b = operands->b[lane];
  const uint32_t scales_a = operands->scales_a[lane], scales_b = operands->scales_b[lane];
  float d[4] = {};
  int32_t sums[4] = {};
  if (kind == kBf16) mma_bf16(d, {a[0], a[1], a[2], a[3]}, {b[0], b[1]});
  if (kind == kS8) mma_s8(sums, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}, sums);
  if (kind == kS8K16) mma_s8_k16(sums, {a[0], a[1]}, b[0], sums);
  if (kind == kNvfp4) mma_nvfp4(d, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}, scales_a, scales_b);
  if (kind == kMxfp4) mma_mxfp4(d, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}, scales_a, scales_b);
  for (size_t i = 0; i < 4; ++i) operands->d[lane][i] = d[i] + static_cast<float>(sums[i]);
}

// Multiplies the operands, and counts the sums that are not product(row of A, row of B).
template <typename Product>
int count_wrong(const Operands& operands, Kind kind, const Product& product) {
  const OnDevice<Operands> on_device(std::vector<Operands>{operands});
  run_kernel(1, 32, 0, multiply_kernel, on_device, kind);
  const Operands result = on_device.read()[0];
  int num_wrong = 0;
  for (size_t thread = 0; thread < 32; ++thread) {
    for (size_t value = 0; value < 4; ++value) {
      const Element element = cute::kC.at(thread, value);
      num_wrong += static_cast<double>(result.d[thread][value]) !=
                   product(static_cast<size_t>(element.row), static_cast<size_t>(element.column));
    }
  }
  return num_wrong;
}

template <typename Code>
int count_wrong(Kind kind, const Fragment& of_a, const Fragment& of_b, size_t depth, int bits, const Code& code) {
  const Matrix a(16, depth, -8, 8, 1), b(8, depth, -8, 8, 2);
  Operands operands;
  fill(of_a, bits, [&](Element element) { return code(a.at(element)); }, operands.a);
  fill(of_b, bits, [&](Element element) { return code(b.at(element)); }, operands.b);
  return count_wrong(operands, kind, [&](size_t row, size_t column) {
    int sum = 0;
    for (size_t k = 0; k < depth; ++k) sum += a.at(row, k) * b.at(column, k);
    return static_cast<double>(sum);
  });
}

uint32_t bf16_code(int value) { return to_bf16(static_cast<float>(value)); }
uint32_t int8_code(int value) { return static_cast<uint8_t>(value); }

TEST_CASE("fragments of bf16 and int8 lie where CuTe has them") {
  CHECK(count_wrong(kBf16, cute::kBf16A, cute::kBf16B, 16, 16, bf16_code) == 0);
  CHECK(count_wrong(kS8, cute::kS8A, cute::kS8B, 32, 8, int8_code) == 0);
  CHECK(count_wrong(kS8K16, cute::kS8K16A, cute::kS8K16B, 16, 8, int8_code) == 0);
}

TEST_CASE("a wrong layout is found") {
  Fragment wrong = cute::kBf16A;
  std::swap(wrong.of_thread_bits[0], wrong.of_thread_bits[1]);
  CHECK(count_wrong(kBf16, wrong, cute::kBf16B, 16, 16, bf16_code) > 0);
  wrong = cute::kBf16A;
  std::swap(wrong.of_thread_bits[3], wrong.of_thread_bits[4]);
  CHECK(count_wrong(kBf16, wrong, cute::kBf16B, 16, 16, bf16_code) > 0);
}

// Codes and scales are drawn; the scales are the powers of two from 1 to 8, so that the sums are exact.
int count_wrong_fp4(Kind kind, int block, const Fragment& of_scales_a, const Fragment& of_scales_b) {
  const double values[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  const auto value_of = [&](int code) { return code < 8 ? values[code] : -values[code - 8]; };
  const Matrix a(16, 64, 0, 16, 1), b(8, 64, 0, 16, 2), scales_a(16, 64, 0, 4, 3), scales_b(8, 64, 0, 4, 4);
  const auto same = [](int code) { return static_cast<uint32_t>(code); };
  const auto scale_code = [&](int power) {
    return static_cast<uint32_t>(kind == kNvfp4 ? (7 + power) << 3 : 127 + power);
  };
  Operands operands;
  fill(cute::kFp4A, 4, [&](Element element) { return same(a.at(element)); }, operands.a);
  fill(cute::kFp4B, 4, [&](Element element) { return same(b.at(element)); }, operands.b);
  for (size_t thread = 0; thread < 32; ++thread) {
    for (int i = 0; i < 64 / block; ++i) {
      const auto value = static_cast<size_t>(i * block);  // the first element of a block has the scale of all
      operands.scales_a[thread] |= scale_code(scales_a.at(of_scales_a.at(thread, value))) << 8 * i;
      operands.scales_b[thread] |= scale_code(scales_b.at(of_scales_b.at(thread, value))) << 8 * i;
    }
  }
  emulator::set_architecture(120);
  const int num_wrong = count_wrong(operands, kind, [&](size_t row, size_t column) {
    double sum = 0;
    for (size_t k = 0; k < 64; ++k) {
      const size_t first = k / static_cast<size_t>(block) * static_cast<size_t>(block);
      sum += value_of(a.at(row, k)) * value_of(b.at(column, k)) * std::exp2(scales_a.at(row, first)) *
             std::exp2(scales_b.at(column, first));
    }
    return sum;
  });
  emulator::reset_settings();
  return num_wrong;
}

TEST_CASE("4-bit floats and the lanes of their scales lie where CuTe has them") {
  CHECK(count_wrong_fp4(kNvfp4, 16, cute::kFp4ScaleA, cute::kFp4ScaleB) == 0);
  CHECK(count_wrong_fp4(kMxfp4, 32, cute::kFp4ScaleA, cute::kFp4ScaleB) == 0);
  Fragment wrong = cute::kFp4ScaleA;
  std::swap(wrong.of_thread_bits[0], wrong.of_thread_bits[1]);
  CHECK(count_wrong_fp4(kNvfp4, 16, wrong, cute::kFp4ScaleB) > 0);
}

// What matrix loads bring into the registers, from rows of 32 bytes.
struct Loaded {
  Registers<uint32_t, 4> a, b, transposed;
};

__global__ void load_kernel(const uint16_t* tile, Loaded* out) {
  auto* shared = shared_memory<uint16_t>();
  for (int i = lane_index(); i < 16 * 16; i += kWarpSize) shared[i] = tile[i];
  sync_block();
  const int lane = lane_index();
  uint32_t a[4], b[2], transposed[4];
  load_matrix_x4(a, shared + lane % 16 * 16 + lane / 16 * 8);
  load_matrix_x2(b, shared + lane % 8 * 16 + lane / 8 % 2 * 8);
  load_matrix_x4_transposed(transposed, shared + lane % 16 * 16 + lane / 16 * 8);
  for (size_t i = 0; i < 4; ++i) {
    out->a[static_cast<size_t>(lane)][i] = a[i];
    out->b[static_cast<size_t>(lane)][i] = i < 2 ? b[i] : 0;
    out->transposed[static_cast<size_t>(lane)][i] = transposed[i];
  }
}

// The number of elements of a fragment that are not tile(element).
template <typename Tile>
int count_misplaced(const Registers<uint32_t, 4>& registers, const Fragment& fragment, size_t bits, const Tile& tile) {
  int num_wrong = 0;
  for (size_t thread = 0; thread < 32; ++thread) {
    for (size_t value = 0; value < fragment.num_values(); ++value) {
      const size_t values_of_word = 32 / bits;
      const uint32_t word = registers[thread][value / values_of_word] >> value % values_of_word * bits;
      num_wrong += (word & ((1u << bits) - 1)) != tile(fragment.at(thread, value));
    }
  }
  return num_wrong;
}

TEST_CASE("matrix loads bring the fragments that CuTe has") {
  std::vector<uint16_t> tile(16 * 16);
  for (size_t i = 0; i < tile.size(); ++i) tile[i] = static_cast<uint16_t>(i * 257 + 1);  // both bytes differ, too
  const OnDevice<uint16_t> on_device(tile);
  const OnDevice<Loaded> out(1);
  run_kernel(1, 32, 512, load_kernel, on_device, out);
  const Loaded loaded = out.read()[0];
  const auto element = [&](Element at) { return tile[static_cast<size_t>(at.row * 16 + at.column)]; };
  const auto byte = [&](Element at) { return element({at.row, at.column / 2}) >> at.column % 2 * 8 & 255u; };
  CHECK(count_misplaced(loaded.a, cute::kBf16A, 16, element) == 0);
  CHECK(count_misplaced(loaded.b, cute::kBf16B, 16, element) == 0);
  CHECK(count_misplaced(loaded.a, cute::kS8A, 8, byte) == 0);
  CHECK(count_misplaced(loaded.b, cute::kS8B, 8, byte) == 0);
  CHECK(count_misplaced(loaded.transposed, cute::kBf16B, 16,
                        [&](Element at) { return element({at.column, at.row}); }) == 0);
}

TEST_CASE("tiles of a warpgroup are swizzled as CuTe swizzles them") {
  int num_wrong = 0;
  for (int row = 0; row < 64; ++row) {
    for (int column = 0; column < 64; ++column) {
      const int byte = cute::swizzled_byte(row, column);
      num_wrong += swizzled_offset(row, column / 8) + column % 8 * 2 != byte;
      num_wrong += piece_offset<kSwizzledRowBytes>(row, column / 8) + column % 8 * 2 != byte;
    }
  }
  CHECK(num_wrong == 0);
}

// Two tiles [64, 64] as they lie in shared memory.
struct Tiles {
  std::array<uint16_t, 64 * 64> a, b;
};

// d = columns 16k to 16k + 15 of A times those of B.
__global__ void wgmma_kernel(const Tiles* tiles, int k, float* d) {
  auto* shared = shared_memory<uint8_t>();
  shared += (kSwizzledTileAlignment - shared_address(shared) % kSwizzledTileAlignment) % kSwizzledTileAlignment;
  auto* words = reinterpret_cast<uint32_t*>(shared);
  const auto* source = reinterpret_cast<const uint32_t*>(tiles);
  for (size_t i = threadIdx.x; i < sizeof(Tiles) / 4; i += blockDim.x) words[i] = source[i];
  fence_async_proxy();
  sync_block();
  float sums[32];
  wgmma_fence();
  wgmma_bf16(sums, wgmma_operand(shared, k), wgmma_operand(shared + sizeof(Tiles) / 2, k), false);
  wgmma_commit();
  wgmma_finish(sums);
  for (size_t i = 0; i < 32; ++i) d[threadIdx.x * 32 + i] = sums[i];
}

TEST_CASE("a warpgroup's descriptors and sums are those of CuTe") {
  const Matrix a(64, 64, -8, 8, 1), b(64, 64, -8, 8, 2);
  Tiles tiles;
  for (int row = 0; row < 64; ++row) {
    for (int column = 0; column < 64; ++column) {
      const auto place = static_cast<size_t>(cute::swizzled_byte(row, column) / 2);
      tiles.a[place] = to_bf16(static_cast<float>(a.at({row, column})));
      tiles.b[place] = to_bf16(static_cast<float>(b.at({row, column})));
    }
  }
  const OnDevice<Tiles> on_device(std::vector<Tiles>{tiles});
  const OnDevice<float> d(128 * 32);
  for (int k = 0; k < 4; ++k) {
    run_kernel(1, 128, 1024 + sizeof(Tiles), wgmma_kernel, on_device, k, d);
    const std::vector<float> sums = d.read();
    int num_wrong = 0;
    for (size_t thread = 0; thread < 128; ++thread) {
      for (size_t value = 0; value < 32; ++value) {
        const Element element = cute::kWgmmaC.at(thread, value);
        int sum = 0;
        for (int i = 16 * k; i < 16 * k + 16; ++i) sum += a.at({element.row, i}) * b.at({element.column, i});
        num_wrong += sums[thread * 32 + value] != static_cast<float>(sum);
      }
    }
    CHECK(num_wrong == 0);
  }
}

// A [64, 64], and B [64, 256] transposed: four tiles, each with 64 columns.
struct TransposedTiles {
  std::array<uint16_t, 64 * 64> a;
  std::array<std::array<uint16_t, 64 * 64>, 4> b;
};

// d = columns 16k to 16k + 15 of A times the same rows of B.
__global__ void transposed_kernel(const TransposedTiles* tiles, int k, float* d) {
  auto* shared = shared_memory<uint8_t>();
  shared += (kSwizzledTileAlignment - shared_address(shared) % kSwizzledTileAlignment) % kSwizzledTileAlignment;
  auto* words = reinterpret_cast<uint32_t*>(shared);
  const auto* source = reinterpret_cast<const uint32_t*>(tiles);
  for (size_t i = threadIdx.x; i < sizeof(TransposedTiles) / 4; i += blockDim.x) words[i] = source[i];
  fence_async_proxy();
  sync_block();
  constexpr int kTileBytes = sizeof(tiles->a);
  float sums[128] = {};
  wgmma_fence();
  const WgmmaOperand b = wgmma_transposed(shared + kTileBytes, kTileBytes);
  wgmma_bf16_transposed(sums, wgmma_operand(shared, k), further_on(b, 16 * k * kSwizzledRowBytes));
  wgmma_commit();
  wgmma_finish(sums);
  for (size_t i = 0; i < 128; ++i) d[threadIdx.x * 128 + i] = sums[i];
}

TEST_CASE("a transposed operand of a warpgroup lies where CuTe has it") {
  const Matrix a(64, 64, -8, 8, 1), b(64, 256, -8, 8, 2);
  TransposedTiles tiles;
  for (int row = 0; row < 64; ++row) {
    for (int column = 0; column < 64; ++column) {
      const auto place = static_cast<size_t>(cute::swizzled_byte(row, column) / 2);
      tiles.a[place] = to_bf16(static_cast<float>(a.at({row, column})));
      for (int tile = 0; tile < 4; ++tile) {
        tiles.b[static_cast<size_t>(tile)][place] = to_bf16(static_cast<float>(b.at({row, 64 * tile + column})));
      }
    }
  }
  Fragment sums_of = cute::kWgmmaC;
  sums_of.of_value_bits.insert(sums_of.of_value_bits.end(), {{0, 64}, {0, 128}});
  const OnDevice<TransposedTiles> on_device(std::vector<TransposedTiles>{tiles});
  const OnDevice<float> d(128 * 128);
  for (int k = 0; k < 4; ++k) {
    run_kernel(1, 128, 1024 + sizeof(TransposedTiles), transposed_kernel, on_device, k, d);
    const std::vector<float> sums = d.read();
    int num_wrong = 0;
    for (size_t thread = 0; thread < 128; ++thread) {
      for (size_t value = 0; value < 128; ++value) {
        const Element element = sums_of.at(thread, value);
        int sum = 0;
        for (int i = 16 * k; i < 16 * k + 16; ++i) sum += a.at({element.row, i}) * b.at({i, element.column});
        num_wrong += sums[thread * 128 + value] != static_cast<float>(sum);
      }
    }
    CHECK(num_wrong == 0);
  }
}

}  // namespace
}  // namespace gesso::cuda
