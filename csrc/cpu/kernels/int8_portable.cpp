// The kernels in plain C++. They run on machines that none of the other kernels supports, and tests compare the others
// with them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/kernels/int8_dispatch.h"
#include "cpu/simd/transpose.h"

namespace gesso::cpu {
namespace {

// Returns the integer dot product of output n and x in one group of columns.
int32_t dot(const Int8Tile& tile, int64_t n, const int8_t* x, int64_t first) {
  int32_t sum = 0;
  for (int64_t k = first; k < first + tile.integers.group; ++k) {
    sum += tile.levels[(k / 4 * kTileOutputs + n) * 4 + k % 4] * x[k];
  }
  return sum;
}

float multiply_one(const Int8Tile& tile, int64_t n, const Int8Rows& x, int64_t row) {
  const int64_t group = tile.integers.group;
  float sum = 0;
  for (int64_t b = 0; b < num_int8_blocks(tile.columns); ++b) {
    const int64_t end = std::min((b + 1) * kInt8Block, tile.columns);
    float block = 0;
    for (int64_t g = b * kInt8Block / group; g < end / group; ++g) {
      int32_t product = dot(tile, n, x.values_of(row), g * group);
      if (!tile.mins) product += x.offsets_of(row)[g];
      block = std::fma(static_cast<float>(product), tile.scales[g * kTileOutputs + n], block);
      if (tile.mins) block = std::fma(-tile.mins[g * kTileOutputs + n], x.sums_of(row)[g], block);
    }
    sum = std::fma(block, x.scales_of(row)[b], sum);
  }
  return sum;
}

void multiply(const Int8Tile& tile, const Int8Rows& x, const int32_t* rows, int64_t num_rows, float scale, Matrix out,
              Stores, FetchAhead&) {
  for (int64_t i = 0; i < num_rows; ++i) {
    for (int64_t n = 0; n < tile.num_outputs; ++n) {
      out.row(i)[n] = multiply_one(tile, n, x, rows ? rows[i] : i) * scale;
    }
  }
}

float block_scale(const float* x, int64_t count) {
  float largest = 0;
  for (int64_t j = 0; j < count; ++j) {
    if (std::isnan(x[j])) return std::numeric_limits<float>::quiet_NaN();
    largest = std::max(largest, std::fabs(x[j]));
  }
  return largest / 127;
}

// Values that are not between -127 and 127, which happens when a block holds an infinity or a NaN, give -127 or 127.
int8_t to_int8(float x) {
  if (!(x > -127)) return -127;
  return x < 127 ? static_cast<int8_t>(std::nearbyint(x)) : 127;
}

void round_row(const float* x, int64_t columns, int group, int8_t* values, float* scales, int32_t* sums) {
  std::fill_n(sums, columns / group, 0);
  for (int64_t b = 0; b < num_int8_blocks(columns); ++b) {
    const int64_t first = b * kInt8Block, end = std::min(first + kInt8Block, columns);
    scales[b] = block_scale(x + first, end - first);
    const float divisor = scales[b] > 0 ? scales[b] : 1.0f;
    for (int64_t k = first; k < end; ++k) {
      values[k] = to_int8(x[k] / divisor);
      sums[k / group] += values[k];
    }
  }
}

void transpose_words(const uint32_t* rows, int64_t stride, int64_t count, uint32_t* out) {
  for (int64_t word = 0; word < count; word += 4) {
    for (int64_t n = 0; n < kTileOutputs; n += 4) {
      transpose_4_rows(rows + n * stride + word, stride, out + word * kTileOutputs + n, kTileOutputs);
    }
  }
}

}  // namespace

const Int8Kernels* int8_portable() {
  static constexpr Int8Kernels kKernels = {"portable", multiply, round_row, transpose_words};
  return &kKernels;
}

}  // namespace gesso::cpu
