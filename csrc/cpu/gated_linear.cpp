#include "ops/gated_linear.h"

#include "core/threads.h"
#include "cpu/products/gelu_mul.h"
#include "cpu/products/int8_product.h"
#include "ops/linear.h"

namespace gesso::cpu {
namespace {

void int8_gated_linear(const Context& context, ConstMatrix x, const Weight& gate, const Weight& up,
                       const quant::Integers& integers, Matrix out) {
  const Int8Rows packed = pack_int8(context, x, integers);
  const StoredMatrix gate_matrix = {gate.values, gate.scale_of(0)}, up_matrix = {up.values, up.scale_of(0)};
  parallel_for(context, num_tiles(out.columns), 2 * tile_operations(x.rows, x.columns), [&](int64_t tile) {
    multiply_tiles_gated({packed, nullptr, x.rows}, gate_matrix, up_matrix, integers, {tile, tile + 1}, out);
  });
}

}  // namespace

void gated_linear(const Context& context, ConstMatrix x, const Weight& gate, const Weight& up, Matrix scratch,
                  Matrix out) {
  if (const auto* integers = integers_of(context, GatedWeights{{}, gate, up})) {
    return int8_gated_linear(context, x, gate, up, *integers, out);
  }
  cpu::linear(context, x, gate, out);
  cpu::linear(context, x, up, scratch);
  gelu_mul(context, out, scratch, out);
}

}  // namespace gesso::cpu
