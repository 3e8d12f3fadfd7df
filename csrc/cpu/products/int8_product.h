// The product of gathered rows, rounded to integers, with tiles of stored ones: the fast inside of linear,
// gated_linear and their expert twins, where matmul_block is the exact one.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "cpu/kernels/int8_kernels.h"
#include "cpu/products/int8_rows.h"
#include "cpu/products/int8_tile.h"
#include "ops/weight.h"

namespace gesso::cpu {

// How the weight is stored, if its products run on integers; else null: float32 is asked for, or it is no such type.
const quant::Integers* integers_of(const Context& context, const Weight& weight);
// The same for a pair that is multiplied at once, which takes one type.
const quant::Integers* integers_of(const Context& context, const GatedWeights& weights);

// One matrix [N, K] and the scale beside it.
struct StoredMatrix {
  Tensor values;
  float scale = 1.0f;
};

// Of the packed rows, those to be multiplied: rows[i] for 0 <= i < num_rows; null means the first ones.
struct SelectedRows {
  Int8Rows x;
  const int32_t* rows;
  int64_t num_rows;
};

// Arithmetic operations of one tile, decoding included.
inline int64_t tile_operations(int64_t num_rows, int64_t columns) {
  constexpr int64_t kPerByte = 8;  // of a float operation's time, that of one on integers takes about this part
  return kTileOutputs * columns * 2 * (num_rows + 16) / kPerByte;
}

// The tiles first .. end - 1 of a matrix.
struct TileRange {
  int64_t first;
  int64_t end;

  // The tile of a matrix that comes next, as it is stored; empty behind the last one.
  std::span<const std::byte> stored_behind(int64_t tile, const Tensor& values) const {
    return tile + 1 < end ? stored_tile(values, (tile + 1) * kTileOutputs) : std::span<const std::byte>();
  }
};

// Where an op's outputs go: past the caches, if they would push each other out of them before they are read.
inline Stores stores_of(Matrix all_outputs) {
  constexpr int64_t kCachesBytes = 16 << 20;
  const int64_t bytes = all_outputs.rows * all_outputs.columns * static_cast<int64_t>(sizeof(float));
  return bytes > kCachesBytes ? Stores::kStreamed : Stores::kCached;
}

// out[i, n] = scale * dot(x[rows[i]], values[n]) for the outputs n of the tiles.   out [num_rows, N].
void multiply_tiles(const SelectedRows& x, const StoredMatrix& weight, const quant::Integers& integers,
                    const TileRange& tiles, Matrix out, Stores stores);

// out[i, n] = gelu_tanh(x[rows[i]] . gate[n]) * (x[rows[i]] . up[n]), each with its scale.
void multiply_tiles_gated(const SelectedRows& x, const StoredMatrix& gate, const StoredMatrix& up,
                          const quant::Integers& integers, const TileRange& tiles, Matrix out);

}  // namespace gesso::cpu
