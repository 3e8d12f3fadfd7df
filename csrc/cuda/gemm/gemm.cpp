#include "cuda/gemm/gemm.h"

#include <algorithm>

#include "core/check.h"
#include "cuda/decode/decoder_group.h"
#include "cuda/gemm/gemm_arguments.h"
#include "cuda/gemm/gemm_fp4.h"
#include "cuda/gemm/gemm_launch.h"
#include "cuda/gemm/gemm_splits.h"
#include "cuda/gemm/gemm_wgmma.h"
#include "cuda/gemm/pack/pack_activations.h"
#include "cuda/gemm/pack/pack_fp4_activations.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

constexpr int64_t kScratchAlignment = 256;

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

bool is_fp4(RowType type) { return type == RowType::kNvFp4 || type == RowType::kMxFp4; }

// How rows are packed for weights of a type: 4-bit floats stay what they are where that is possible.
RowType choose_row_type(const Queue& queue, ActivationType activations, DType weight) {
  if (has_fp4(queue.properties(), weight)) return weight == DType::kNVFP4 ? RowType::kNvFp4 : RowType::kMxFp4;
  if (activations == ActivationType::kInt8 && has_codes(weight)) return RowType::kInt8;
  return weight == DType::kF32 ? RowType::kSplitBF16 : RowType::kBF16;
}

bool is_packed_for(RowType type, DType weight) {
  switch (type) {
    case RowType::kBF16:
      return weight != DType::kF32;
    case RowType::kSplitBF16:
      return weight == DType::kF32;
    case RowType::kInt8:
      return has_codes(weight);
    case RowType::kNvFp4:
      return weight == DType::kNVFP4;
    case RowType::kMxFp4:
      return weight == DType::kMXFP4;
  }
  return false;
}

int64_t step_bytes(const PackedRows& packed) {
  if (is_fp4(packed.type)) return fp4_step_bytes(packed.num_terms);
  return kStepColumns * (packed.type == RowType::kInt8 ? 1 : 2);
}

// Beside the values of a row.
int64_t scale_bytes(const PackedRows& packed) {
  if (is_fp4(packed.type)) return sizeof(float);
  return packed.type == RowType::kInt8 ? packed.num_steps() * sizeof(StepScales) : 0;
}

PackedRows pack(const Context& context, ConstMatrix x, ActivationType activations, DType weight) {
  Queue& queue = *context.queue;
  PackedRows packed;
  packed.type = choose_row_type(queue, activations, weight);
  packed.rows = x.rows;
  packed.columns = x.columns;
  packed.padded_columns = round_up(x.columns, kStepColumns) * (packed.type == RowType::kSplitBF16 ? 3 : 1);
  if (is_fp4(packed.type)) packed.num_terms = num_fp4_terms(activations, weight);
  packed.row_bytes = packed.num_steps() * step_bytes(packed);
  const int64_t value_bytes = round_up(x.rows * packed.row_bytes, kScratchAlignment);
  std::byte* memory = queue.scratch_bytes(Scratch::kActivations, value_bytes + x.rows * scale_bytes(packed));
  packed.values = memory;
  if (is_fp4(packed.type)) {
    packed.row_scales = reinterpret_cast<const float*>(memory + value_bytes);
    pack_fp4_activations(queue, x, packed);
  } else {
    if (packed.type == RowType::kInt8) packed.scales = reinterpret_cast<const StepScales*>(memory + value_bytes);
    pack_activations(queue, x, packed);
  }
  return packed;
}

// What all products have in common. `out` has a row per row of x, or per slot.
GemmArguments make_arguments(const PackedRows& x, const Tensor& weight, Matrix out) {
  check(is_packed_for(x.type, weight.dtype), "rows were packed for another type than ", dtype_name(weight.dtype));
  GemmArguments arguments;
  arguments.x = x.values;
  arguments.x_row_bytes = x.row_bytes;
  arguments.x_scales = x.scales;
  arguments.x_row_scales = x.row_scales;
  arguments.x_num_terms = x.num_terms;
  arguments.num_columns = static_cast<int>(x.columns);
  arguments.num_steps = static_cast<int>(x.num_steps());
  arguments.dtype = weight.dtype;
  arguments.num_outputs = static_cast<int>(out.columns);
  arguments.row_bytes = weight.row_bytes();
  arguments.num_rows = static_cast<int>(out.rows);
  arguments.out = out.data;
  arguments.out_stride = out.stride;
  return arguments;
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

bool is_wgmma(const Queue& queue, const GemmArguments& arguments, RowType type) {
  return type == RowType::kBF16 && arguments.num_experts == 0 && has_wgmma(queue.properties(), arguments.dtype);
}

// Which kernel: by the type of the rows, what the device has, and how the weight's type is decoded.
void run_kernel(const GemmLaunch& gemm, RowType type) {
  if (is_fp4(type)) return gemm_fp4(gemm);
  if (is_wgmma(gemm.queue, gemm.arguments, type)) return gemm_wgmma(gemm);
  const DecoderGroup group = decoder_group(gemm.arguments.dtype);
  if (type == RowType::kInt8) {
    return group == DecoderGroup::kBlocks ? gemm_int8_blocks(gemm) : gemm_int8_super_blocks(gemm);
  }
  switch (group) {
    case DecoderGroup::kFloats:
      return gemm_bf16_floats(gemm);
    case DecoderGroup::kBlocks:
      return gemm_bf16_blocks(gemm);
    case DecoderGroup::kSuperBlocks:
      return gemm_bf16_super_blocks(gemm);
    case DecoderGroup::kRemaining:
      return gemm_bf16_remaining(gemm);
  }
}

// Which tile: a wide one serves more rows with the same decoding, and multiplies only what rows there are; a narrow one
// leaves more shared memory to blocks that wait for memory. Both add in the same order.
bool choose_wide(const GemmArguments& arguments) {
  if (arguments.num_experts == 0) return arguments.num_rows > kNarrowRows;
  if (work_list_bytes(arguments) > kWorkListRoom) return false;  // so many experts that a wide tile has no room
  return arguments.num_rows > int64_t{kNarrowRows} * arguments.num_experts;  // in the mean
}

void run_dense(const char* name, Queue& queue, GemmArguments& arguments, RowType type) {
  // A block of wgmma's has twice the weight rows and twice the rows of x.
  const int tiles_per_block = is_wgmma(queue, arguments, type) ? 4 : 1;
  const int weight_tiles = (arguments.num_weight_tiles() + tiles_per_block - 1) / tiles_per_block;
  const Splits splits =
      choose_splits(arguments.num_outputs, weight_tiles, arguments.num_steps, queue.properties().num_multiprocessors);
  arguments.num_splits = splits.count;
  arguments.steps_per_split = splits.steps_each;
  if (splits.count > 1) {
    arguments.partials = queue.scratch<float>(Scratch::kPartials,
                                              int64_t{splits.count} * arguments.num_rows * arguments.partial_columns());
  }
  const GemmLaunch gemm{name, queue, choose_wide(arguments), arguments};
  run_kernel(gemm, type);
  if (splits.count > 1) finish_partials(gemm);
}

// Experts have so many tiles that k is never cut.
void run_experts(const char* name, Queue& queue, GemmArguments& arguments, RowType type) {
  arguments.steps_per_split = arguments.num_steps;
  run_kernel({name, queue, choose_wide(arguments), arguments}, type);
}

}  // namespace

PackedRows pack_rows(const Context& context, ConstMatrix x, DType weight_type) {
  return pack(context, x, context.activations, weight_type);
}

PackedRows pack_bf16_rows(const Context& context, ConstMatrix x, DType weight_type) {
  return pack(context, x, ActivationType::kBF16, weight_type);
}

void multiply(const Context& context, const PackedRows& x, const Weight& weight, Matrix out) {
  if (out.rows == 0) return;
  GemmArguments arguments = make_arguments(x, weight.values, out);
  set_weight(arguments, 0, weight, 0);
  run_dense("linear", *context.queue, arguments, x.type);
}

void multiply_gated(const Context& context, const PackedRows& x, const Weight& gate, const Weight& up, Matrix out) {
  if (out.rows == 0) return;
  GemmArguments arguments = make_arguments(x, gate.values, out);
  arguments.is_gated = true;
  set_weight(arguments, 0, gate, 0);
  set_weight(arguments, 1, up, 0);
  run_dense("gated_linear", *context.queue, arguments, x.type);
}

void multiply_experts(const Context& context, const PackedRows& x, const int32_t* rows, const ops::Routing& routing,
                      const Weight& weight, Matrix out) {
  if (out.rows == 0) return;
  GemmArguments arguments = make_arguments(x, weight.values, out);
  set_weight(arguments, 0, weight, 0);
  set_experts(arguments, weight, rows, routing);
  run_experts("expert_linear", *context.queue, arguments, x.type);
}

void multiply_experts_gated(const Context& context, const PackedRows& x, const int32_t* rows,
                            const ops::Routing& routing, const GatedWeights& weights, Matrix out) {
  if (out.rows == 0) return;
  const Weight& gate = weights.gate_up ? weights.gate_up : weights.gate;
  const Weight& up = weights.gate_up ? weights.gate_up : weights.up;
  GemmArguments arguments = make_arguments(x, gate.values, out);
  arguments.is_gated = true;
  set_weight(arguments, 0, gate, 0);
  set_weight(arguments, 1, up, weights.gate_up ? out.columns : 0);
  set_experts(arguments, gate, rows, routing);
  run_experts("expert_gated_linear", *context.queue, arguments, x.type);
}

// As many as run at a time, by shared memory; registers allow 4 blocks of narrow tiles and 2 of wide ones.
int gemm_grid(const GemmLaunch& gemm, int tile_rows, int64_t shared_bytes) {
  const GemmArguments& arguments = gemm.arguments;
  const int64_t row_tiles = (arguments.num_rows + tile_rows - 1) / tile_rows;
  if (arguments.num_experts == 0) {
    return static_cast<int>(row_tiles * arguments.num_weight_tiles() * arguments.num_splits);
  }
  constexpr int64_t kReservedBytes = 1024;  // of shared memory, for each block
  const DeviceProperties& device = gemm.queue.properties();
  const int64_t fitting = (device.max_shared_bytes + kReservedBytes) / (shared_bytes + kReservedBytes);
  const int64_t resident = device.num_multiprocessors * std::clamp<int64_t>(fitting, 1, gemm.is_wide ? 2 : 4);
  // Each expert with rows has at most one tile that is not full.
  const int64_t most_tiles = row_tiles + std::min(arguments.num_experts, arguments.num_rows);
  return static_cast<int>(std::min(resident, most_tiles * arguments.num_weight_tiles()));
}

}  // namespace gesso::cuda
