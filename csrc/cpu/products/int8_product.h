// Products of rows that are rounded to 8-bit integers with tiles of weights that are stored as integers. linear,
// gated_linear, expert_linear and expert_gated_linear use them where speed matters more than exact results;
// matmul_block is the exact product.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "core/threads/threads.h"
#include "cpu/kernels/int8_kernels.h"
#include "cpu/products/int8_rows.h"
#include "cpu/products/int8_tile.h"
#include "ops/weight.h"

namespace gesso::cpu {

// Returns how the weight is stored if its products use integers. Returns null if float32 products are asked for, or if
// the weight's type does not store integers.
const quant::Integers* integers_of(const Context& context, const Weight& weight);
// The same for gate and up, which are multiplied together. Both must have the same type, else null is returned.
const quant::Integers* integers_of(const Context& context, const GatedWeights& weights);

// A matrix [N, K] and its weight scale.
struct StoredMatrix {
  Tensor values;
  float scale = 1.0f;
};

// The rows to multiply, among the packed rows x: rows[i] for 0 <= i < num_rows. rows == nullptr means the first
// num_rows.
struct SelectedRows {
  Int8Rows x;
  const int32_t* rows;
  int64_t num_rows;
};

// A rough count of the operations of one tile, including decoding it, in units of an operation on floats.
inline int64_t tile_operations(int64_t num_rows, int64_t columns) {
  constexpr int64_t kPerByte = 8;  // 8 operations on 8-bit integers take about as long as one on floats
  return kTileOutputs * columns * 2 * (num_rows + 16) / kPerByte;
}

// The tiles first .. end - 1 of a matrix.
struct TileRange {
  int64_t first;
  int64_t end;

  // Returns the stored bytes of the tile after `tile`. The span is empty after the last tile of the range.
  std::span<const std::byte> stored_behind(int64_t tile, const Tensor& values) const {
    return tile + 1 < end ? stored_tile(values, (tile + 1) * kTileOutputs) : std::span<const std::byte>();
  }
};

// Returns how an op's outputs are to be stored. Outputs of more than 16 MB go past the caches: they would push each
// other out of the caches before the next op reads them.
inline Stores stores_of(Matrix all_outputs) {
  constexpr int64_t kCachesBytes = 16 << 20;
  const int64_t bytes = all_outputs.rows * all_outputs.columns * static_cast<int64_t>(sizeof(float));
  return bytes > kCachesBytes ? Stores::kStreamed : Stores::kCached;
}

// out[i, n] = scale * dot(x[rows[i]], values[n]) for the outputs n of the given tiles.   out [num_rows, N]. A tile
// takes some milliseconds where many rows meet, so there is a poll before each of them.
void multiply_tiles(const SelectedRows& x, const StoredMatrix& weight, const quant::Integers& integers,
                    const TileRange& tiles, Matrix out, Stores stores, const JobPoll& poll);

// out[i, n] = gelu_tanh(gate.scale * dot(x[rows[i]], gate[n])) * up.scale * dot(x[rows[i]], up[n]) for the outputs n of
// the given tiles.
void multiply_tiles_gated(const SelectedRows& x, const StoredMatrix& gate, const StoredMatrix& up,
                          const quant::Integers& integers, const TileRange& tiles, Matrix out, const JobPoll& poll);

}  // namespace gesso::cpu
