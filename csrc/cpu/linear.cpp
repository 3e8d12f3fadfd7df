#include "ops/linear.h"

#include "core/threads/threads.h"
#include "cpu/products/int8_product.h"
#include "cpu/products/matmul_block.h"

namespace gesso::cpu {
namespace {

void int8_linear(const Context& context, const ops::LinearArguments& a, const quant::Integers& integers) {
  const Int8Rows packed = pack_int8(context, a.x.values, integers);
  const StoredMatrix matrix = {a.weight.values, a.weight.scale_of(0)};
  parallel_for(context, num_tiles(a.weight.num_outputs()), tile_operations(a.x.values.rows, a.x.values.columns),
               [&](int64_t tile, const JobPoll& poll) {
                 multiply_tiles({packed, nullptr, a.x.values.rows}, matrix, integers, {tile, tile + 1}, a.out,
                                stores_of(a.out), poll);
               });
}

}  // namespace

void linear(const Context& context, const ops::LinearArguments& a) {
  if (const auto* integers = integers_of(context, a.weight)) return int8_linear(context, a, *integers);
  const int64_t operations = block_operations(a.x.values.rows, a.x.values.columns);
  const MatmulBlock multiply = matmul_block_for(context);
  parallel_for(context, num_blocks(a.weight.num_outputs()), operations, [&](int64_t block) {
    multiply(a.x.values, nullptr, a.x.values.rows, a.weight.values, a.weight.scale_of(0), block, a.out);
  });
}

}  // namespace gesso::cpu
