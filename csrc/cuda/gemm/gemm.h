// Products with stored weights, as linear, gated_linear, their expert twins and the head share them:
//
//   float32 rows --pack--> PackedRows --multiply--> float32 rows
//
// The rows are rounded once per op, to bf16, to int8 with a scale per 32 columns, or to sums of 4-bit floats; the
// weights stay in memory as the file has them and are decoded tile by tile. All sums are float32 and in one order for a
// given weight: a row's bits are the same in any company, for any number of rows. (So whatever chooses between kernels
// whose sums differ in order must look at the weight and the device alone, never at the number of rows.)
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "ops/route.h"
#include "ops/weight.h"

namespace gesso::cuda {

// Columns that a kernel multiplies at a time; packed rows end in zeros up to a multiple of this.
constexpr int kStepColumns = 64;

// What 64 columns of a row that were rounded to int8 are multiplied with, for each 32 of them.
struct alignas(16) StepScales {
  float scale[2];  // x = scale * integer
  float sum[2];    // scale * the sum of the integers, for formats with a minimum
};

enum class RowType : uint8_t {
  kBF16,
  // For F32 weights, whose products keep nearly float32's precision (a router decides by them): x and w are sums of two
  // bf16, and each 64 columns become 192: the high parts, the low parts, and the high parts again, to be multiplied
  // with w's high, high and low parts.
  kSplitBF16,
  kInt8,
  // Sums of 4-bit floats, for weights of NVFP4 and MXFP4 on GPUs that multiply those as they are: fp4_activations.h.
  kNvFp4,
  kMxFp4,
};

// Rows as kernels read them. They live in scratch memory, until the next pack of the queue.
struct PackedRows {
  RowType type = RowType::kBF16;
  int64_t rows = 0;
  int64_t columns = 0;         // K
  int64_t padded_columns = 0;  // of values: a multiple of kStepColumns, with zeros behind K
  int64_t row_bytes = 0;
  const std::byte* values = nullptr;   // bf16 or int8 [rows, padded_columns], Fp4Activations; 256-byte aligned
  const StepScales* scales = nullptr;  // of int8 alone: [rows, padded_columns / kStepColumns]
  int num_terms = 0;                   // of 4-bit floats alone
  const float* row_scales = nullptr;   // of 4-bit floats alone: [rows]

  int64_t num_steps() const { return padded_columns / kStepColumns; }
};

// For weights of a type, as Context::activations says: int8 where they are kInt8 and the type has a scale per 16 or 32
// elements, else bf16; or 4-bit floats that are as good as these. x may have any stride and alignment.
PackedRows pack_rows(const Context& context, ConstMatrix x, DType weight_type);
// Never int8: for the head.
PackedRows pack_bf16_rows(const Context& context, ConstMatrix x, DType weight_type);

// out[r, n] = scale * sum_k x[r, k] * weight[n, k].   weight [N, K], scale absent or F32 [1]; out [R, N].
// Several weights may be multiplied with the same packed rows.
void multiply(const Context& context, const PackedRows& x, const Weight& weight, Matrix out);

// out = gelu_tanh(x . gate^T) * (x . up^T), each with its scale; one type for both.   gate, up [N, K], out [R, N].
void multiply_gated(const Context& context, const PackedRows& x, const Weight& gate, const Weight& up, Matrix out);

// The same for slots, each with its own expert's matrices [E, N, K] and scale. rows: which row of x a slot reads, [R *
// A] in device memory; nullptr: its own.   out [R * A, N].
void multiply_experts(const Context& context, const PackedRows& x, const int32_t* rows, const ops::Routing& routing,
                      const Weight& weight, Matrix out);
void multiply_experts_gated(const Context& context, const PackedRows& x, const int32_t* rows,
                            const ops::Routing& routing, const GatedWeights& weights, Matrix out);

}  // namespace gesso::cuda
