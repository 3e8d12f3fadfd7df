// A tile: 32 rows of a weight, decoded to integers and laid out for the kernels that multiply them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/tensor.h"
#include "cpu/products/fetch_ahead.h"
#include "quant/integers.h"

namespace gesso::cpu {

// How many rows of a weight are decoded together. Their sums fill two AVX-512 registers.
constexpr int64_t kTileOutputs = 32;

inline int64_t num_tiles(int64_t num_outputs) { return (num_outputs + kTileOutputs - 1) / kTileOutputs; }

// weight[n, k] = scales[k / group, n] * (levels[k / c, n, k % c] - offset) - mins[k / group, n]. A weight's last tile
// may have fewer than 32 rows; then the levels, scales and mins of the other rows are arbitrary. c is 4, or 8 where the
// kernels want it so (Int8Kernels::columns_together).
struct Int8Tile {
  int64_t columns = 0;      // K
  int64_t num_outputs = 0;  // how many rows there are, 1 to 32
  quant::Integers integers;
  const uint8_t* levels = nullptr;  // [K / c, 32, c]; all three pointers are 64-byte aligned
  const float* scales = nullptr;    // [K / group, 32]
  const float* mins = nullptr;      // [K / group, 32]; null for formats without minimums
};

// Returns the stored bytes of the tile that begins at row `first` of a matrix [N, K]. The span is empty if `first` is
// behind the last row.
std::span<const std::byte> stored_tile(const Tensor& weight, int64_t first);

// Decodes that tile. The result is in memory of the calling thread, valid until its next call. Meanwhile the function
// calls ahead.advance(); the sum of the work that it counts is decode_work(32 * K).
Int8Tile decode_tile(const Tensor& weight, const quant::Integers& integers, int64_t first, FetchAhead& ahead);

// How long it takes to decode so many elements, and to make so many products, for FetchAhead. The unit is the time that
// decoding 64 elements takes; in that time about 256 products are made.
inline int64_t decode_work(int64_t elements) { return elements / 64; }
inline int64_t multiply_work(int64_t products) { return products / 256; }

}  // namespace gesso::cpu
