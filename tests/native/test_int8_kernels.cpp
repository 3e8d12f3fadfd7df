// Every kernel that this machine can run gives the same bits as the portable kernel.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "cpu/kernels/int8_dispatch.h"

namespace gesso::cpu {
namespace {

std::vector<const Int8Kernels*> kernels_here() {
  std::vector<const Int8Kernels*> found;
  for (const Int8Kernels* kernels : {int8_avx512_vnni(), int8_avx512(), int8_avx2(), int8_neon_i8mm(), int8_neon()}) {
    if (kernels) found.push_back(kernels);
  }
  return found;
}

// The properties of a type whose elements are integers; see quant/integers.h.
struct Kind {
  int group, offset;
  bool has_min, is_wide;
  int highest;  // the highest level
};
constexpr Kind kKinds[] = {{32, 0, true, false, 31},   {16, 0, true, false, 3},     {32, 16, false, false, 31},
                           {16, 32, false, false, 63}, {32, 128, false, true, 255}, {16, 12, false, false, 24}};

struct Random {
  std::mt19937 engine{7};

  int integer(int low, int high) { return std::uniform_int_distribution<int>(low, high)(engine); }
  // Every fourth level or so is one of the two ends, where sums of 16 bits are largest.
  int level(int low, int high) { return integer(0, 3) ? integer(low, high) : integer(0, 1) ? low : high; }
  float number() { return std::normal_distribution<float>()(engine); }
};

struct Operands {
  Buffer<uint8_t> levels;
  Buffer<float> scales, mins;
  std::vector<int8_t> values;
  std::vector<float> x_scales, sums;
  std::vector<int32_t> offsets;
  Int8Tile tile;
  Int8Rows x;

  Operands(Random& random, const Kind& kind, int64_t columns, int64_t num_rows, int64_t num_outputs)
      : levels(columns * kTileOutputs),
        scales(columns / kind.group * kTileOutputs),
        mins(scales.size()),
        values(num_rows * columns),
        x_scales(num_rows * num_int8_blocks(columns)),
        sums(num_rows * columns / kind.group),
        offsets(sums.size()) {
    for (int64_t i = 0; i < levels.size(); ++i) levels.data()[i] = static_cast<uint8_t>(random.level(0, kind.highest));
    for (int64_t i = 0; i < scales.size(); ++i) scales.data()[i] = random.number();
    for (int64_t i = 0; i < mins.size(); ++i) mins.data()[i] = random.number();
    for (int8_t& value : values) value = static_cast<int8_t>(random.level(-127, 127));
    for (float& scale : x_scales) scale = random.number();
    for (size_t g = 0; g < sums.size(); ++g) {
      int32_t sum = 0;
      for (int j = 0; j < kind.group; ++j) sum += values[g * kind.group + j];
      offsets[g] = -kind.offset * sum;
      sums[g] = static_cast<float>(sum) * random.number();
    }
    tile.columns = columns;
    tile.num_outputs = num_outputs;
    tile.integers = {DType::kF32, kind.group, kind.offset, kind.has_min, kind.is_wide, nullptr};
    tile.levels = levels.data();
    tile.scales = scales.data();
    tile.mins = kind.has_min ? mins.data() : nullptr;
    x = {num_rows,
         columns,
         columns / kind.group,
         values.data(),
         x_scales.data(),
         offsets.data(),
         kind.has_min ? sums.data() : nullptr};
  }
};

// The levels in the order that the kernels read. Those of the operands are [K / 4, 32, 4].
Buffer<uint8_t> ordered_levels(const Int8Kernels& kernels, const Int8Tile& tile) {
  const int64_t together = kernels.columns_together;
  Buffer<uint8_t> levels(tile.columns * kTileOutputs);
  for (int64_t k = 0; k < tile.columns; ++k) {
    for (int64_t n = 0; n < kTileOutputs; ++n) {
      levels.data()[(k / together * kTileOutputs + n) * together + k % together] =
          tile.levels[(k / 4 * kTileOutputs + n) * 4 + k % 4];
    }
  }
  return levels;
}

// Each row of the result has room for 48 outputs, of which the kernel may write only the first ones. The memory is
// aligned, as stores past the caches need it.
std::vector<float> product(const Int8Kernels& kernels, const Operands& operands, const std::vector<int32_t>& rows,
                           Stores stores = Stores::kCached) {
  constexpr int64_t kStride = 48;
  const Buffer<float> out(static_cast<int64_t>(rows.size()) * kStride);
  std::fill_n(out.data(), out.size(), -1.0f);
  const Matrix matrix(out.data(), static_cast<int64_t>(rows.size()), operands.tile.num_outputs, kStride);
  FetchAhead nothing({}, 1);
  const Buffer<uint8_t> levels = ordered_levels(kernels, operands.tile);
  Int8Tile tile = operands.tile;
  tile.levels = levels.data();
  kernels.multiply(tile, operands.x, rows.data(), matrix.rows, 0.75f, matrix, stores, nothing);
  return {out.data(), out.data() + out.size()};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_CASE("kernels of all instruction sets multiply alike") {
  Random random;
  for (const Kind& kind : kKinds) {
    for (const int64_t num_outputs : {1, 7, 8, 9, 16, 17, 31, 32}) {
      for (const int num_rows : {0, 1, 2, 3, 4, 5, 6, 7, 13}) {
        const Operands operands(random, kind, 32 * random.integer(1, 9), num_rows + 1, num_outputs);
        std::vector<int32_t> rows;
        for (int i = 0; i < num_rows; ++i) rows.push_back(random.integer(0, num_rows));
        const std::vector<float> expected = product(*int8_portable(), operands, rows);
        for (const Int8Kernels* kernels : kernels_here()) {
          CAPTURE(std::string(kernels->name));
          CAPTURE(kind.offset);
          CHECK(same_bits(product(*kernels, operands, rows), expected));
          CHECK(same_bits(product(*kernels, operands, rows, Stores::kStreamed), expected));
        }
      }
    }
  }
}

TEST_CASE("kernels of all instruction sets take rows in their order") {
  Random random;
  const Operands operands(random, kKinds[0], 64, 5, 32);
  const std::vector<float> expected = product(*int8_portable(), operands, {0, 1, 2, 3, 4});
  for (const Int8Kernels* kernels : kernels_here()) {
    std::vector<float> out(expected.size(), -1.0f);
    FetchAhead nothing({}, 1);
    const Buffer<uint8_t> levels = ordered_levels(*kernels, operands.tile);
    Int8Tile tile = operands.tile;
    tile.levels = levels.data();
    kernels->multiply(tile, operands.x, nullptr, 5, 0.75f, Matrix(out.data(), 5, 32, 48), Stores::kCached, nothing);
    CHECK(same_bits(out, expected));
  }
}

// tests/native/CMakeLists.txt reads the line for emulated processors.
TEST_CASE("the fastest kernels that run are chosen") {
  const std::vector<const Int8Kernels*> here = kernels_here();
  CHECK(&int8_kernels() == (here.empty() ? int8_portable() : here.front()));
  MESSAGE("int8 kernels: " << std::string(int8_kernels().name));
}

// Sums of these products can exceed 16 bits, for example 2 * 255 * 127 = 64770. Some instructions saturate there. A
// kernel must not.
TEST_CASE("no kernel saturates") {
  Random random;
  for (const Kind& kind : kKinds) {
    for (const int level : {0, kind.highest}) {
      for (const int value : {-127, 127}) {
        Operands operands(random, kind, 64, 1, 32);
        std::memset(operands.levels.data(), level, operands.levels.size());
        std::fill(operands.values.begin(), operands.values.end(), static_cast<int8_t>(value));
        std::fill(operands.offsets.begin(), operands.offsets.end(), -kind.offset * value * kind.group);
        const std::vector<float> expected = product(*int8_portable(), operands, {0});
        for (const Int8Kernels* kernels : kernels_here()) CHECK(same_bits(product(*kernels, operands, {0}), expected));
      }
    }
  }
}

struct Rounded {
  std::vector<int8_t> values;
  std::vector<float> scales;
  std::vector<int32_t> sums;

  Rounded(const Int8Kernels& kernels, const std::vector<float>& x, int group)
      : values(x.size()), scales(num_int8_blocks(static_cast<int64_t>(x.size()))), sums(x.size() / group) {
    kernels.round_row(x.data(), static_cast<int64_t>(x.size()), group, values.data(), scales.data(), sums.data());
  }
};

TEST_CASE("kernels of all instruction sets round alike") {
  Random random;
  std::vector<float> x(40 * kInt8Block + kInt8Block / 2);  // the last block is only half full
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = random.number() * std::exp2(static_cast<float>(i / kInt8Block) * 7 - 150);
  for (int j = 0; j < kInt8Block; ++j) x[j] = 0.0f;
  for (int j = 0; j < kInt8Block; ++j) x[kInt8Block + j] = static_cast<float>(j) - 31.5f;  // n + 1/2 after scaling
  x[kInt8Block] = 127.0f;
  x[2 * kInt8Block + 5] = -std::numeric_limits<float>::denorm_min();
  x[3 * kInt8Block + 7] = -std::numeric_limits<float>::infinity();
  for (const int group : {16, 32}) {
    const Rounded expected(*int8_portable(), x, group);
    CHECK(std::isinf(expected.scales[3]));
    for (const Int8Kernels* kernels : kernels_here()) {
      CAPTURE(kernels->name);
      const Rounded got(*kernels, x, group);
      CHECK(got.values == expected.values);
      CHECK(same_bits(got.scales, expected.scales));
      CHECK(got.sums == expected.sums);
    }
  }
}

TEST_CASE("a NaN makes its block's scale NaN") {
  for (const Int8Kernels* kernels : kernels_here()) {
    for (int place = 0; place < kInt8Block; ++place) {
      std::vector<float> x(kInt8Block + kInt8Block / 2, 1.0f);
      x[place] = std::numeric_limits<float>::quiet_NaN();
      const Rounded got(*kernels, x, 32);
      CHECK(std::isnan(got.scales[0]));
      CHECK(got.scales[1] == 1.0f / 127);
    }
  }
}

TEST_CASE("kernels of all instruction sets transpose words") {
  for (const int64_t count : {1, 3, 4, 16, 64}) {
    constexpr int64_t kStride = 68;
    std::vector<uint32_t> rows(kTileOutputs * kStride);
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<uint32_t>(i);
    std::vector<const Int8Kernels*> all = kernels_here();
    all.push_back(int8_portable());
    for (const Int8Kernels* kernels : all) {
      Buffer<uint32_t> out((count + 3) / 4 * 4 * kTileOutputs);
      kernels->transpose_words(rows.data(), kStride, count, out.data());
      bool same = true;
      for (int64_t i = 0; i < count * kTileOutputs; ++i) {
        same &= out.data()[i] == rows[i % kTileOutputs * kStride + i / kTileOutputs];
      }
      CHECK(same);
    }
  }
}

}  // namespace
}  // namespace gesso::cpu
