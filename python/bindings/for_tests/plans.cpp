// How a GPU would compute products and attention: plans are functions of a device's properties, so that the cards need
// not be at hand.
#include "core/check.h"
#include "for_tests.h"
#ifdef GESSO_HAS_CUDA
#include "cuda/attention/attention_plan.h"
#include "cuda/gemm/gemm_plan.h"
#include "cuda/vocabulary/soft_plan.h"
#endif

namespace gesso::bindings {

#ifdef GESSO_HAS_CUDA
namespace {

// A card as tests write it: compute capability, multiprocessors, bytes of shared memory that a block can have.
using Card = std::tuple<int, int, int64_t>;

cuda::DeviceProperties properties(const Card& card) {
  cuda::DeviceProperties device;
  std::tie(device.arch, device.num_multiprocessors, device.max_shared_bytes) = card;
  return device;
}

DType dtype(const std::string& name) {
  const DTypeInfo* info = find_dtype(name);
  check(info != nullptr, "there is no type ", name);
  return info->dtype;
}

// What decides the bits of a row, and what does not.
nb::dict gemm_plan(const Card& card, const std::string& type, int64_t num_outputs, int64_t num_columns,
                   const std::string& activations, int64_t num_rows, bool is_gated, int num_experts) {
  const cuda::GemmWeights weights = {dtype(type), num_outputs, num_columns, is_gated, num_experts};
  const ActivationType rounding = activations == "int8" ? ActivationType::kInt8 : ActivationType::kBF16;
  const cuda::GemmPlan plan = cuda::plan_gemm(properties(card), weights, rounding, num_rows);
  nb::dict fields;
  fields["text"] = describe(plan);
  fields["sums"] = nb::make_tuple(static_cast<int>(plan.sums.kernel), static_cast<int>(plan.sums.rows.type),
                                  plan.sums.rows.num_terms, plan.sums.num_steps, plan.sums.splits.count,
                                  plan.sums.splits.steps_each);
  fields["needs_whole_rows"] = cuda::needs_whole_rows(plan.sums.rows);
  fields["steps_per_split"] = plan.sums.splits.steps_each;
  fields["tile_rows"] = plan.tiles.rows;
  fields["grid"] = nb::make_tuple(plan.tiles.grid_x, plan.tiles.grid_y);
  fields["blocks_at_a_time"] = plan.tiles.blocks_at_a_time;
  fields["shared_bytes"] = plan.tiles.shared_bytes;
  fields["resident_threads"] = plan.tiles.threads * (plan.tiles.blocks_at_a_time / std::get<1>(card));
  return fields;
}

nb::dict attention_plan(const Card& card, int64_t head_dim, int64_t num_heads, int64_t num_key_value_heads,
                        int64_t num_rows, int num_sequences, bool has_one_copy, int64_t num_rotated) {
  const cuda::AttentionShape shape = {head_dim, num_heads, num_key_value_heads, has_one_copy, num_rotated};
  const cuda::AttentionPlan plan = cuda::plan_attention(properties(card), shape, num_rows, num_sequences);
  nb::dict fields;
  fields["text"] = describe(plan);
  fields["sums"] =
      nb::make_tuple(plan.sums.is_wgmma, plan.sums.dim, plan.sums.slices, plan.sums.keys, plan.sums.period);
  fields["queries"] = plan.sums.queries();
  fields["grid"] = nb::make_tuple(plan.grid_x, plan.grid_y, plan.grid_z);
  fields["shared_bytes"] = plan.shared_bytes;
  return fields;
}

nb::dict soft_plan(const Card& card, const std::string& type, int64_t num_columns, int64_t num_tokens) {
  const cuda::SoftPlan plan = cuda::plan_soft(properties(card), dtype(type), num_columns, num_tokens);
  std::vector<int> first_steps;
  for (int block = 0; block <= plan.num_blocks; ++block) first_steps.push_back(plan.first_step(block));
  std::vector<int> blocks;
  for (int step = 0; step < plan.total_steps(); ++step) blocks.push_back(plan.block_of(step));
  nb::dict fields;
  fields["is_wgmma"] = plan.is_wgmma;
  fields["step_tokens"] = plan.step_tokens;
  fields["num_tiles"] = plan.num_tiles;
  fields["num_steps"] = plan.num_steps;
  fields["first_steps"] = first_steps;
  fields["block_of_step"] = blocks;
  fields["num_pieces"] = plan.num_pieces();
  return fields;
}

}  // namespace
#endif

void bind_plans([[maybe_unused]] nb::module_& module) {
#ifdef GESSO_HAS_CUDA
  module.def("plan_gemm", &gemm_plan, "card"_a, "type"_a, "num_outputs"_a, "num_columns"_a, "activations"_a,
             "num_rows"_a, "is_gated"_a = false, "num_experts"_a = 0);
  module.def("plan_attention", &attention_plan, "card"_a, "head_dim"_a, "num_heads"_a, "num_key_value_heads"_a,
             "num_rows"_a, "num_sequences"_a = 1, "has_one_copy"_a = false, "num_rotated"_a = 64);
  module.def("plan_soft", &soft_plan, "card"_a, "type"_a, "num_columns"_a, "num_tokens"_a);
#endif
}

}  // namespace gesso::bindings
