#include "cpu/products/int8_product.h"

#include <algorithm>

#include "core/threads/thread_scratch.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {
namespace {

// Returns the columns of `out` that a tile writes.
Matrix tile_columns(Matrix out, int64_t tile) {
  const int64_t first = tile * kTileOutputs;
  return out.column_range(first, std::min(kTileOutputs, out.columns - first));
}

// Decodes one tile of the weight and multiplies it with all selected rows. Meanwhile it fetches `next`, the bytes of
// the tile that will be decoded after this one.
void multiply(const SelectedRows& x, const StoredMatrix& weight, const quant::Integers& integers, int64_t tile,
              std::span<const std::byte> next, Matrix out, Stores stores) {
  const int64_t elements = kTileOutputs * weight.values.num_columns();
  FetchAhead ahead(next, decode_work(elements) + multiply_work(x.num_rows * elements));
  const Int8Tile decoded = decode_tile(weight.values, integers, tile * kTileOutputs, ahead);
  int8_kernels().multiply(decoded, x.x, x.rows, x.num_rows, weight.scale, out, stores, ahead);
}

// Fetches the whole first tile of a range at once, since there is no tile before it that could do so.
void fetch_first_tile(const TileRange& tiles, const Tensor& values) {
  FetchAhead(stored_tile(values, tiles.first * kTileOutputs), 1).advance(1);
}

}  // namespace

const quant::Integers* integers_of(const Context& context, const Weight& weight) {
  return context.activations == ActivationType::kInt8 ? quant::find_integers(weight.values.dtype) : nullptr;
}

const quant::Integers* integers_of(const Context& context, const GatedWeights& weights) {
  if (weights.gate_up) return integers_of(context, weights.gate_up);
  return weights.gate.values.dtype == weights.up.values.dtype ? integers_of(context, weights.gate) : nullptr;
}

void multiply_tiles(const SelectedRows& x, const StoredMatrix& weight, const quant::Integers& integers,
                    const TileRange& tiles, Matrix out, Stores stores, const JobPoll& poll) {
  if (x.num_rows == 0) return;
  fetch_first_tile(tiles, weight.values);
  for (int64_t tile = tiles.first; tile < tiles.end; ++tile) {
    poll();
    multiply(x, weight, integers, tile, tiles.stored_behind(tile, weight.values), tile_columns(out, tile), stores);
  }
}

void multiply_tiles_gated(const SelectedRows& x, const StoredMatrix& gate, const StoredMatrix& up,
                          const quant::Integers& integers, const TileRange& tiles, Matrix out, const JobPoll& poll) {
  if (x.num_rows == 0) return;
  fetch_first_tile(tiles, gate.values);
  for (int64_t tile = tiles.first; tile < tiles.end; ++tile) {
    poll();
    const Matrix gated = tile_columns(out, tile);
    multiply(x, gate, integers, tile, stored_tile(up.values, tile * kTileOutputs), gated, Stores::kCached);
    const Matrix ups(thread_scratch(x.num_rows * kTileOutputs), x.num_rows, gated.columns, kTileOutputs);
    multiply(x, up, integers, tile, tiles.stored_behind(tile, gate.values), ups, Stores::kCached);
    for (int64_t i = 0; i < x.num_rows; ++i) gelu_mul(gated.row(i), ups.row(i), gated.columns, gated.row(i));
  }
}

}  // namespace gesso::cpu
