// The matrix kernel of sm_120 and sm_121 for weights of 4-bit floats, which their matrix units take as they are stored.
#pragma once

#include "core/activation_type.h"
#include "core/dtype.h"
#include "cuda/gemm/gemm_launch.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// Whether products with such a matrix use it; rows are packed as RowType::kFp4 then.
bool has_fp4(const DeviceProperties& device, DType weight_type);

// Terms for rows that are as good as what `activations` asks for, see fp4_activations.h.
int num_fp4_terms(ActivationType activations, DType weight_type);

// Bytes of 64 columns of a packed row: Fp4Activations.
constexpr int64_t fp4_step_bytes(int num_terms) { return (num_terms * 36 + 15) / 16 * 16; }

void gemm_fp4(const GemmLaunch& gemm);

}  // namespace gesso::cuda
