#include "ops/expert_linear.h"

#include "cpu/products/expert_tasks.h"
#include "cpu/products/int8_product.h"
#include "cpu/products/matmul_block.h"

namespace gesso::cpu {
namespace {

void int8_expert_linear(const Context& context, const ops::ExpertLinearArguments& a, const quant::Integers& integers) {
  const Int8Rows packed = pack_int8(context, a.x.values, integers);
  const int64_t operations = tile_operations(rows_per_expert(a.routing), a.x.values.columns);
  for_each_expert_tiles(
      context, a.routing, a.weight.num_outputs(), operations,
      [&](const ExpertSlots& slots, const TileRange& tiles, const JobPoll& poll) {
        const StoredMatrix matrix = {expert_matrix(a.weight.values, slots.expert), a.weight.scale_of(slots.expert)};
        const SelectedRows rows =
            a.input == ops::ExpertInput::kTokens ? slots.rows_of_tokens(packed, a.routing) : slots.own_rows(packed);
        multiply_tiles(rows, matrix, integers, tiles, a.out.row_range(slots.begin, slots.count), stores_of(a.out),
                       poll);
      });
}

}  // namespace

void expert_linear(const Context& context, const ops::ExpertLinearArguments& a) {
  if (const auto* integers = integers_of(context, a.weight)) {
    return int8_expert_linear(context, a, *integers);
  }
  const int64_t operations = block_operations(rows_per_expert(a.routing), a.x.values.columns);
  const MatmulBlock multiply = matmul_block_for(context);
  for_each_expert_part(
      context, a.routing, num_blocks(a.weight.num_outputs()), operations, [&](const ExpertSlots& slots, int64_t block) {
        const bool by_token = a.input == ops::ExpertInput::kTokens;
        const ConstMatrix source = by_token ? a.x.values : a.x.values.row_range(slots.begin, slots.count);
        const int32_t* rows = by_token ? a.routing.token_of_slot.data() + slots.begin : nullptr;
        multiply(source, rows, slots.count, expert_matrix(a.weight.values, slots.expert),
                 a.weight.scale_of(slots.expert), block, a.out.row_range(slots.begin, slots.count));
      });
}

}  // namespace gesso::cpu
