#include "cuda/gemm/gemm.h"

#include <algorithm>
#include <span>

#include "core/check.h"
#include "core/profile.h"
#include "cuda/gemm/gemm_arguments.h"
#include "cuda/gemm/gemm_code.h"
#include "cuda/gemm/gemm_plan.h"
#include "cuda/gemm/pack/pack_activations.h"
#include "cuda/gemm/pack/pack_fp4_activations.h"
#include "cuda/gemm/pack/pack_half_activations.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

constexpr int64_t kScratchAlignment = 256;

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// The bytes of one step of a row.
int64_t step_bytes(const RowFormat& format) {
  switch (format.type) {
    case RowType::kBF16:
    case RowType::kSplitBF16:
    case RowType::kF16:
    case RowType::kEvensFirstF16:
      return kStepColumns * 2;
    case RowType::kInt8:
      return kStepColumns;
    case RowType::kNvFp4:
    case RowType::kMxFp4:
      return fp4_step_bytes(format.num_terms);
  }
  return 0;
}

// Takes memory for packed rows like x.
PackedRows take_rows(Queue& queue, ConstMatrix x, ActivationType activations, const ops::WeightKind& weight,
                     Scratch where) {
  PackedRows packed;
  packed.activations = activations;
  packed.format = plan_rows(queue.properties(), weight, activations);
  packed.rows = x.rows;
  packed.columns = x.columns;
  packed.num_steps = num_row_steps(packed.format.type, x.columns);
  packed.row_bytes = packed.num_steps * step_bytes(packed.format);

  const bool is_int8 = packed.format.type == RowType::kInt8, has_row_scales = needs_whole_rows(packed.format);
  const int64_t value_bytes = round_up(x.rows * packed.row_bytes, kScratchAlignment);
  const int64_t scale_bytes = is_int8 ? packed.num_steps * sizeof(StepScales) : has_row_scales ? sizeof(float) : 0;
  std::byte* memory = queue.scratch_bytes(where, value_bytes + x.rows * scale_bytes);
  packed.values = memory;
  if (is_int8) packed.scales = reinterpret_cast<const StepScales*>(memory + value_bytes);
  if (has_row_scales) packed.row_scales = reinterpret_cast<const float*>(memory + value_bytes);
  return packed;
}

void fill(const Queue& queue, ConstMatrix x, const PackedRows& packed) {
  if (is_f16(packed.format.type)) return pack_half_activations(queue, x, packed);
  packed.format.num_terms > 0 ? pack_fp4_activations(queue, x, packed) : pack_activations(queue, x, packed);
}

PackedRows pack(const Context& context, ConstMatrix x, const ops::WeightKind& weight) {
  const PackedRows packed = take_rows(*context.queue, x, context.activations, weight, Scratch::kActivations);
  fill(*context.queue, x, packed);
  return packed;
}

// The rounding of rows for a weight that Context::activations asks for.
RowFormat format_for(const Context& context, const ops::WeightKind& weight) {
  return plan_rows(context.queue->properties(), weight, context.activations);
}

// Fills in what all products have in common. The results have `num_rows` rows: one per row of x, or per slot.
GemmArguments make_arguments(const PackedRows& x, const Tensor& weight, int64_t num_rows) {
  GemmArguments arguments;
  arguments.x = x.values;
  arguments.x_row_bytes = x.row_bytes;
  arguments.x_scales = x.scales;
  arguments.x_row_scales = x.row_scales;
  arguments.num_columns = static_cast<int>(x.columns);
  arguments.num_steps = static_cast<int>(x.num_steps);
  arguments.dtype = weight.dtype;
  arguments.row_bytes = weight.row_bytes();
  arguments.num_rows = static_cast<int>(num_rows);
  return arguments;
}

// The outputs of a launch with `num_outputs` outputs, if one more matrix is added. It begins with a tile of its own.
int64_t outputs_with(int64_t num_outputs, int64_t of_matrix) {
  return round_up(num_outputs, kTileWeightRows) + of_matrix;
}

// Adds the results of one more matrix.
void set_output(GemmArguments& arguments, int which, Matrix out) {
  arguments.outputs[which] = {out.data, out.stride, static_cast<int>(out.columns), arguments.num_weight_tiles()};
  arguments.num_outputs = static_cast<int>(outputs_with(arguments.num_outputs, out.columns));
}

void set_weight(GemmArguments& arguments, int which, const Weight& weight, int64_t first_row) {
  arguments.weights[which] = weight.values.row(first_row);
  arguments.scales[which] = weight.scale ? weight.scale.f32() : nullptr;
}

void set_experts(GemmArguments& arguments, const Weight& weight, const int32_t* rows, const ops::Routing& routing) {
  arguments.num_experts = static_cast<int>(weight.values.shape[0]);
  arguments.expert_bytes = weight.num_outputs() * weight.values.row_bytes();
  arguments.scale_stride = weight.scale && weight.scale.shape.num_elements() > 1 ? 1 : 0;
  arguments.expert_offsets = routing.expert_offsets.data();
  arguments.x_row_of_slot = rows;
}

// The number of sums that a block makes.
int64_t sums_of_block(const GemmPlan& plan) { return int64_t{plan.tiles.groups} * kTileWeightRows * plan.tiles.rows; }

// Plans the product, and starts it as the plan says. The sums are those of a product with `planned_outputs` outputs.
void run(const char* name, const Context& context, const PackedRows& x, GemmArguments& arguments,
         int64_t planned_outputs) {
  Queue& queue = *context.queue;
  GemmWeights weights = {arguments.dtype, planned_outputs, arguments.num_columns, arguments.is_gated,
                         arguments.num_experts};
  GemmPlan plan;
  plan.sums = plan_sums(queue.properties(), weights, x.activations);
  weights.num_outputs = arguments.num_outputs;
  plan.tiles = plan_tiles(queue.properties(), weights, plan.sums, arguments.num_rows);
  check(plan.sums.rows == x.format, name, ": rows were packed for another type than ", dtype_name(weights.dtype));
  if (context.profile) context.profile->note_plan(describe(plan));

  const Splits& splits = plan.sums.splits;
  arguments.num_splits = splits.count;
  arguments.steps_per_split = splits.steps_each;
  if (splits.count > 1) {
    const int64_t blocks = plan.tiles.num_blocks();  // one for each split of a tile
    arguments.partials = queue.scratch<float>(Scratch::kPartials, blocks * sums_of_block(plan));
    arguments.counters = queue.counters(blocks / splits.count);
  }
  const GemmLaunch gemm = {name, queue, plan, arguments};
  gemm_code(plan.sums.kernel, weights.dtype).launch(gemm);
}

// The same for a gated product, whose results are packed where `rounding` has a slot. The kernels do it, except
// where it needs whole rows.
void run_gated(const char* name, const Context& context, const PackedRows& x, GemmArguments& arguments, Matrix out,
               const ops::Rounding& rounding) {
  arguments.is_gated = true;
  const bool has_slot = rounding.slot >= 0;
  const PackedRows packed = has_slot ? packed_rows(context, out, rounding) : PackedRows();
  const bool is_packed_later = needs_whole_rows(packed.format);
  if (has_slot && !is_packed_later) arguments.packed = PackedTarget(packed);
  set_output(arguments, 0, out);
  run(name, context, x, arguments, out.columns);
  if (is_packed_later) fill(*context.queue, out, packed);
}

}  // namespace

PackedRows pack_rows(const Context& context, const ops::Activations& x, const ops::WeightKind& weight) {
  const ops::Rounding& rounding = x.rounding;
  if (rounding.slot >= 0 && format_for(context, rounding.weights[0]) == format_for(context, weight)) {
    return packed_rows(context, x.values, rounding);
  }
  return pack(context, x.values, weight);
}

PackedRows packed_rows(const Context& context, ConstMatrix x, const ops::Rounding& rounding) {
  const auto where = static_cast<Scratch>(static_cast<int>(Scratch::kRounded) + rounding.slot);
  return take_rows(*context.queue, x, context.activations, rounding.weights[0], where);
}

void fill_slot(const Context& context, ConstMatrix x, const ops::Rounding& rounding) {
  if (rounding.slot >= 0) fill(*context.queue, x, packed_rows(context, x, rounding));
}

bool rounds_alike(const Context& context, const ops::Rounding& rounding) {
  const auto is_alike = [&](const ops::WeightKind& weight) {
    return format_for(context, weight) == format_for(context, rounding.weights[0]);
  };
  return std::all_of(rounding.weights.begin(), rounding.weights.begin() + rounding.num_weights, is_alike);
}

void multiply(const Context& context, const PackedRows& x, const Weight& weight, Matrix out) {
  const ops::LinearProduct products[] = {{weight, out}};
  multiply(context, x, products);
}

void multiply(const Context& context, const PackedRows& x, std::span<const ops::LinearProduct> products) {
  static_assert(ops::Rounding::kMaxProducts <= kMaxMatrices);
  GemmArguments arguments = make_arguments(x, products[0].weight.values, x.rows);
  int num_matrices = 0;
  int64_t planned_outputs = 0;
  for (const auto& [weight, out] : products) {
    planned_outputs = outputs_with(planned_outputs, weight.num_outputs());
    if (out.rows == 0) continue;
    set_weight(arguments, num_matrices, weight, 0);
    set_output(arguments, num_matrices++, out);
  }
  if (num_matrices > 0) run("linear", context, x, arguments, planned_outputs);
}

void multiply_gated(const Context& context, const PackedRows& x, const Weight& gate, const Weight& up, Matrix out,
                    const ops::Rounding& rounding) {
  if (out.rows == 0) return;
  GemmArguments arguments = make_arguments(x, gate.values, out.rows);
  set_weight(arguments, 0, gate, 0);
  set_weight(arguments, 1, up, 0);
  run_gated("gated_linear", context, x, arguments, out, rounding);
}

void multiply_experts(const Context& context, const PackedRows& x, const int32_t* rows, const ops::Routing& routing,
                      const Weight& weight, Matrix out) {
  if (out.rows == 0) return;
  GemmArguments arguments = make_arguments(x, weight.values, out.rows);
  set_weight(arguments, 0, weight, 0);
  set_output(arguments, 0, out);
  set_experts(arguments, weight, rows, routing);
  run("expert_linear", context, x, arguments, out.columns);
}

void multiply_experts_gated(const Context& context, const PackedRows& x, const int32_t* rows,
                            const ops::Routing& routing, const GatedWeights& weights, Matrix out,
                            const ops::Rounding& rounding) {
  if (out.rows == 0) return;
  const Weight& gate = weights.gate_up ? weights.gate_up : weights.gate;
  const Weight& up = weights.gate_up ? weights.gate_up : weights.up;
  GemmArguments arguments = make_arguments(x, gate.values, out.rows);
  set_weight(arguments, 0, gate, 0);
  set_weight(arguments, 1, up, weights.gate_up ? out.columns : 0);
  set_experts(arguments, gate, rows, routing);
  run_gated("expert_gated_linear", context, x, arguments, out, rounding);
}

}  // namespace gesso::cuda
