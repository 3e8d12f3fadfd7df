#include "ops/gated_linear.h"

#include "core/threads/threads.h"
#include "cpu/products/gelu_mul.h"
#include "cpu/products/int8_product.h"
#include "ops/linear.h"

namespace gesso::cpu {
namespace {

void int8_gated_linear(const Context& context, const ops::GatedLinearArguments& a, const quant::Integers& integers) {
  const Int8Rows packed = pack_int8(context, a.x.values, integers);
  const StoredMatrix gate = {a.gate.values, a.gate.scale_of(0)}, up = {a.up.values, a.up.scale_of(0)};
  parallel_for(context, num_tiles(a.out.columns), 2 * tile_operations(a.x.values.rows, a.x.values.columns),
               [&](int64_t tile, const JobPoll& poll) {
                 multiply_tiles_gated({packed, nullptr, a.x.values.rows}, gate, up, integers, {tile, tile + 1}, a.out,
                                      poll);
               });
}

}  // namespace

void gated_linear(const Context& context, const ops::GatedLinearArguments& a) {
  if (const auto* integers = integers_of(context, GatedWeights{{}, a.gate, a.up})) {
    return int8_gated_linear(context, a, *integers);
  }
  cpu::linear(context, {.x = a.x, .weight = a.gate, .out = a.out});
  cpu::linear(context, {.x = a.x, .weight = a.up, .out = a.scratch});
  gelu_mul(context, a.out, a.scratch, a.out);
}

}  // namespace gesso::cpu
