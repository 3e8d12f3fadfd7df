// The product of fused_kernels.h over the registers of one instruction set. The file of each includes this once, after
// defining GESSO_SIMD, the attributes of a function for it, and struct Simd: its registers (see avx2.h) and
//   kMaxRows   rows of x that are multiplied at once; their sums are registers
#pragma once

#include <algorithm>

#include "cpu/kernels/fused_kernels.h"

namespace gesso::cpu {
namespace {

// Columns summed before their sum is added to the total: a long sum of float32 loses digits, and fewer columns, time.
constexpr int64_t kColumnsPerSum = 16;
constexpr int kVectors = kFusedOutputs / Simd::kLanes;

struct RowBlock {
  const float* x[Simd::kMaxRows];
  float* out[Simd::kMaxRows];
};

// The products of some columns, added to sums.
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

// R rows times the tile.
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
  // In blocks of about the same size: 13 rows are 7 + 6, not 12 + 1.
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
