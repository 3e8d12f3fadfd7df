// The matrix kernel of sm_90: the same products as gemm_bf16.cuh by the instructions of a warpgroup.
#pragma once

#include "core/dtype.h"
#include "cuda/gemm/gemm_launch.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// Whether products of bf16 rows with such a matrix use it. Experts do not: with 16 rows each they are bound by the
// bytes of their weights. The number of rows does not matter: a row's bits must not depend on it.
bool has_wgmma(const DeviceProperties& device, DType weight_type);

// Rows of RowType::kBF16, no experts.
void gemm_wgmma(const GemmLaunch& gemm);

}  // namespace gesso::cuda
