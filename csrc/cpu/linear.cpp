#include "ops/linear.h"

#include "core/threads.h"
#include "cpu/products/int8_product.h"
#include "cpu/products/matmul_block.h"

namespace gesso::cpu {
namespace {

void int8_linear(const Context& context, ConstMatrix x, const Weight& weight, const quant::Integers& integers,
                 Matrix out) {
  const Int8Rows packed = pack_int8(context, x, integers);
  const StoredMatrix matrix = {weight.values, weight.scale_of(0)};
  parallel_for(context, num_tiles(weight.num_outputs()), tile_operations(x.rows, x.columns), [&](int64_t tile) {
    multiply_tiles({packed, nullptr, x.rows}, matrix, integers, {tile, tile + 1}, out, stores_of(out));
  });
}

}  // namespace

void linear(const Context& context, ConstMatrix x, const Weight& weight, Matrix out) {
  if (const auto* integers = integers_of(context, weight)) return int8_linear(context, x, weight, *integers, out);
  const int64_t operations = block_operations(x.rows, x.columns);
  const MatmulBlock multiply = matmul_block_for(context);
  parallel_for(context, num_blocks(weight.num_outputs()), operations,
               [&](int64_t block) { multiply(x, nullptr, x.rows, weight.values, weight.scale_of(0), block, out); });
}

}  // namespace gesso::cpu
