// Products with stored weights. linear, gated_linear, the same ops for experts, and the head share them:
//
//   float32 rows --pack--> PackedRows --multiply--> float32 rows
//
// An op that makes rows may pack them as it goes (ops::Rounding), and a gated product packs its results for the next
// product. All other rows are packed once per op. Rows are rounded to bf16, to f16 with a scale per row, to int8 with a
// scale per 32 columns, or to sums of 4-bit floats. The weights stay in memory as the file has them, and are decoded
// tile by tile. All sums are float32. A row gets the same bits alone as among other rows. gemm_plan.h chooses how all
// of this is done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/activation_type.h"
#include "core/context.h"
#include "cuda/gemm/gemm_plan.h"
#include "ops/activations.h"
#include "ops/linears.h"
#include "ops/route.h"
#include "ops/weight.h"

namespace gesso::cuda {

// The scales and sums of 64 columns of a row that were rounded to int8: one of each for 32 columns, a unit.
struct alignas(8) UnitScale {
  float scale;  // x = scale * integer
  float sum;    // scale * the sum of the 32 integers; formats with a minimum need it
};
struct alignas(16) StepScales {
  UnitScale units[2];
};

// Rows as the kernels read them. They are in scratch memory, and stay valid until the queue packs rows again, or, in a
// slot of ops::Rounding, until other rows take the slot.
struct PackedRows {
  ActivationType activations = ActivationType::kBF16;  // what the caller asked for
  RowFormat format;                                    // what this means for the type of the weights, see plan_rows
  int64_t rows = 0;
  int64_t columns = 0;  // K
  int64_t num_steps = 0;
  int64_t row_bytes = 0;               // bytes of a row of `values`; they are zero from K to the end of the last step
  const std::byte* values = nullptr;   // bf16, f16 or int8 [rows, num_steps, 64], or Fp4Activations; 256-byte aligned
  const StepScales* scales = nullptr;  // int8 only: [rows, num_steps]
  const float* row_scales = nullptr;   // where needs_whole_rows(format): [rows]
};

// Packed rows of all types but 4-bit floats, as a kernel writes them. (Those of 4-bit floats have a kernel of their
// own.)
struct PackedTarget {
  std::byte* values = nullptr;  // null: there is nothing to pack
  StepScales* scales = nullptr;
  float* row_scales = nullptr;
  int64_t row_bytes = 0;
  int32_t num_steps = 0;  // of 64 columns of float32
  int32_t type = 0;       // a RowType; an enum of one byte would be followed by padding

  PackedTarget() = default;
  explicit PackedTarget(const PackedRows& packed)
      : values(const_cast<std::byte*>(packed.values)),
        scales(const_cast<StepScales*>(packed.scales)),
        row_scales(const_cast<float*>(packed.row_scales)),
        row_bytes(packed.row_bytes),
        num_steps(num_row_steps(RowType::kBF16, packed.columns)),
        type(static_cast<int32_t>(packed.format.type)) {}
};

// Packs x, of any stride and alignment, for weights of a kind. Context::activations says how x is rounded. If the op
// that made the rows has packed them in this way, nothing is left to do.
PackedRows pack_rows(const Context& context, const ops::Activations& x, const ops::WeightKind& weight);

// For an op that makes rows and packs them itself: the memory in the slot of `rounding` for rows like x, packed for the
// first of its weights.
PackedRows packed_rows(const Context& context, ConstMatrix x, const ops::Rounding& rounding);
// Packs x into the slot of `rounding`, for an op that could not pack its rows itself.
void fill_slot(const Context& context, ConstMatrix x, const ops::Rounding& rounding);
// Whether rows that are packed like this serve all weights of `rounding`.
bool rounds_alike(const Context& context, const ops::Rounding& rounding);

// out[r, n] = scale * sum_k x[r, k] * weight[n, k].   weight [N, K], scale absent or F32 [1]; out [R, N].
// The same packed rows may be multiplied with several weights.
void multiply(const Context& context, const PackedRows& x, const Weight& weight, Matrix out);
// The same with up to three weights of one type, in one launch. A product whose out has no rows is not computed. But it
// counts where the sums over k are cut, so that the others get the same bits with and without it.
void multiply(const Context& context, const PackedRows& x, std::span<const ops::LinearProduct> products);

// out = gelu_tanh(x . gate^T) * (x . up^T), where each product has its own scale. gate and up must have the same type.
// Where `rounding` has a slot, the results go there, packed, and not to out.   gate, up [N, K], out [R, N].
void multiply_gated(const Context& context, const PackedRows& x, const Weight& gate, const Weight& up, Matrix out,
                    const ops::Rounding& rounding);

// The same for slots, each of which has the matrices [E, N, K] and the scale of its own expert. `rows` [R * A], in
// device memory, has the row of x that each slot reads. If it is nullptr, slot i reads row i.   out [R * A, N].
void multiply_experts(const Context& context, const PackedRows& x, const int32_t* rows, const ops::Routing& routing,
                      const Weight& weight, Matrix out);
void multiply_experts_gated(const Context& context, const PackedRows& x, const int32_t* rows,
                            const ops::Routing& routing, const GatedWeights& weights, Matrix out,
                            const ops::Rounding& rounding);

}  // namespace gesso::cuda
