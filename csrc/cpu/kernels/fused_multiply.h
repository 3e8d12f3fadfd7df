// The product of fused_kernels.h, written for any instruction set. Each fused_<set>.cpp includes this header once. It
// first defines GESSO_SIMD (the attributes of a function for its set) and struct Simd: the registers (as in avx2.h) and
//   kMaxRows   how many rows of x are multiplied at once; their sums stay in registers
#pragma once

#include <algorithm>

#include "cpu/kernels/fused_kernels.h"

namespace gesso::cpu {
namespace {

// How many columns are summed before their sum is added to the total. With more columns float32 loses more digits; with
// fewer, the additions take more time.
constexpr int64_t kColumnsPerSum = 16;
constexpr int kVectors = kFusedOutputs / Simd::kLanes;

struct RowBlock {
  const float* x[Simd::kMaxRows];
  float* out[Simd::kMaxRows];
};

// Adds the products of the columns begin .. end - 1 to the sums.
template <int R>
GESSO_SIMD inline void multiply_columns(const float* weights, const RowBlock& block, int64_t begin, int64_t end,
                                        Simd::Floats (&sums)[R][kVectors]) {
  for (int64_t k = begin; k < end; ++k) {
    Simd::Floats w[kVectors];
    for (int v = 0; v < kVectors; ++v) w[v] = Simd::load(weights + k * kFusedOutputs + v * Simd::kLanes);
    for (int r = 0; r < R; ++r) {
      const Simd::Floats x = Simd::set1(block.x[r][k]);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Simd::fmadd(w[v], x, sums[r][v]);
    }
  }
}

// Multiplies R rows with the tile.
template <int R>
GESSO_SIMD void multiply_block(const FusedTile& tile, const RowBlock& block, float scale) {
  Simd::Floats totals[R][kVectors] = {};
  for (int64_t begin = 0; begin < tile.columns; begin += kColumnsPerSum) {
    Simd::Floats sums[R][kVectors] = {};
    multiply_columns<R>(tile.values, block, begin, std::min(begin + kColumnsPerSum, tile.columns), sums);
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < kVectors; ++v) totals[r][v] = Simd::add(totals[r][v], sums[r][v]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t output = v * Simd::kLanes;
      Simd::store(block.out[r] + output, Simd::mul(totals[r][v], Simd::set1(scale)), tile.num_outputs - output);
    }
  }
}

template <int R>
void multiply_rows(const FusedTile& tile, const RowBlock& block, int num_rows, float scale) {
  if constexpr (R > 1) {
    if (num_rows < R) return multiply_rows<R - 1>(tile, block, num_rows, scale);
  }
  multiply_block<R>(tile, block, scale);
}

void multiply(const FusedTile& tile, ConstMatrix x, const int32_t* rows, int64_t num_rows, float scale, Matrix out) {
  // The rows are divided into blocks of about the same size: with kMaxRows = 12, 13 rows are 7 + 6 and not 12 + 1.
  int64_t num_blocks = (num_rows + Simd::kMaxRows - 1) / Simd::kMaxRows;
  for (int64_t first = 0; first < num_rows; --num_blocks) {
    const int count = static_cast<int>((num_rows - first + num_blocks - 1) / num_blocks);
    RowBlock block;
    for (int r = 0; r < count; ++r) {
      block.x[r] = x.row(rows ? rows[first + r] : first + r);
      block.out[r] = out.row(first + r);
    }
    multiply_rows<Simd::kMaxRows>(tile, block, count, scale);
    first += count;
  }
}

}  // namespace
}  // namespace gesso::cpu
