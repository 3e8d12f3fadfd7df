// The kernels that add weights . table of a chunk to the sums: one for every GPU, and one for sm_90a.
#pragma once

#include "core/dtype.h"
#include "cuda/host/queue.h"
#include "cuda/vocabulary/soft_embed_sums.h"

namespace gesso::cuda {

// A chunk of the table.
struct SoftTable {
  DType dtype;
  const uint8_t* data;  // the chunk's first row
  int64_t row_bytes;
  int64_t num_tokens;  // of the chunk
};

// The first chunk overwrites the sums. The second function is for tables of SoftWgmmaTypes.
void launch_soft_mma(Queue& queue, const SoftSums& soft, const SoftTable& table, bool is_first);
void launch_soft_wgmma(Queue& queue, const SoftSums& soft, const SoftTable& table, bool is_first);

}  // namespace gesso::cuda
