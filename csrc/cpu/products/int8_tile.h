// A few stored weight rows as integers, laid out for the kernels that multiply them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/tensor.h"
#include "cpu/products/fetch_ahead.h"
#include "quant/integers.h"

namespace gesso::cpu {

// Weight rows that are decoded together and used for every row of x: two AVX-512 registers of sums.
constexpr int64_t kTileOutputs = 32;

inline int64_t num_tiles(int64_t num_outputs) { return (num_outputs + kTileOutputs - 1) / kTileOutputs; }

// weight[n, k] = scales[k / group, n] * (levels[k / 4, n, k % 4] - offset) - mins[k / group, n]. The levels of the rows
// that a weight's last tile lacks are anything, their scales and mins too.
struct Int8Tile {
  int64_t columns = 0;      // K
  int64_t num_outputs = 0;  // rows that are there, at most kTileOutputs
  quant::Integers integers;
  const uint8_t* levels = nullptr;  // [K / 4, 32, 4]; 64-byte aligned, like the others
  const float* scales = nullptr;    // [K / group, 32]
  const float* mins = nullptr;      // the same; null without minimum
};

// A tile's rows as they are stored, of a matrix [N, K] and from `first` on; empty behind the last row.
std::span<const std::byte> stored_tile(const Tensor& weight, int64_t first);

// Those rows decoded. In memory of the calling thread, until its next call. The work that `ahead` counts is
// decode_work.
Int8Tile decode_tile(const Tensor& weight, const quant::Integers& integers, int64_t first, FetchAhead& ahead);

// How long it takes to decode so many elements and to make so many products of them, in units of about 64 elements.
inline int64_t decode_work(int64_t elements) { return elements / 64; }
inline int64_t multiply_work(int64_t products) { return products / 256; }

}  // namespace gesso::cpu
