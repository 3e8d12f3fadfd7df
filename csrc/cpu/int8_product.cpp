#include "cpu/int8_product.h"

#include <algorithm>

#include "cpu/scratch.h"
#include "cpu/simd/int8_kernels.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {
namespace {

// The outputs of one tile.
Matrix tile_columns(Matrix out, int64_t tile) {
  const int64_t first = tile * kTileOutputs;
  return out.column_range(first, std::min(kTileOutputs, out.columns - first));
}

void multiply(const SelectedRows& x, const Int8Tile& tile, float scale, Matrix out) {
  int8_kernels().multiply(tile, x.x, x.rows, x.num_rows, scale, out);
}

}  // namespace

const quant::Integers* integers_of(const Context& context, const Weight& weight) {
  return context.activations == ActivationType::kInt8 ? quant::find_integers(weight.values.dtype) : nullptr;
}

const quant::Integers* integers_of(const Context& context, const GatedWeights& weights) {
  if (weights.gate_up) return integers_of(context, weights.gate_up);
  return weights.gate.values.dtype == weights.up.values.dtype ? integers_of(context, weights.gate) : nullptr;
}

void multiply_tile(const SelectedRows& x, const StoredMatrix& weight, const quant::Integers& integers, int64_t tile,
                   Matrix out) {
  if (x.num_rows == 0) return;
  multiply(x, decode_tile(weight.values, integers, tile * kTileOutputs), weight.scale, tile_columns(out, tile));
}

void multiply_tile_gated(const SelectedRows& x, const StoredMatrix& gate, const StoredMatrix& up,
                         const quant::Integers& integers, int64_t tile, Matrix out) {
  if (x.num_rows == 0) return;
  const Matrix gated = tile_columns(out, tile);
  multiply(x, decode_tile(gate.values, integers, tile * kTileOutputs), gate.scale, gated);
  const Int8Tile up_tile = decode_tile(up.values, integers, tile * kTileOutputs);
  const Matrix ups(thread_scratch(x.num_rows * kTileOutputs), x.num_rows, gated.columns, kTileOutputs);
  multiply(x, up_tile, up.scale, ups);
  for (int64_t i = 0; i < x.num_rows; ++i) gelu_mul(gated.row(i), ups.row(i), gated.columns, gated.row(i));
}

}  // namespace gesso::cpu
