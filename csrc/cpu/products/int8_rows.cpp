#include "cpu/products/int8_rows.h"

#include <algorithm>

#include "core/threads/thread_scratch.h"
#include "core/threads/threads.h"
#include "cpu/kernels/int8_kernels.h"

namespace gesso::cpu {

Int8Rows pack_int8(const Context& context, ConstMatrix x, const quant::Integers& integers) {
  thread_local Buffer<int8_t> values;
  thread_local Buffer<float> scales, sums;
  thread_local Buffer<int32_t> offsets;
  const int64_t num_groups = x.columns / integers.group;
  int8_t* all_values = at_least(values, x.rows * x.columns);
  float* all_scales = at_least(scales, x.rows * num_int8_blocks(x.columns));
  int32_t* all_offsets = at_least(offsets, x.rows * num_groups);
  float* all_sums = integers.has_min ? at_least(sums, x.rows * num_groups) : nullptr;
  const Int8Rows packed = {x.rows, x.columns, num_groups, all_values, all_scales, all_offsets, all_sums};

  constexpr int64_t kOperationsPerElement = 4;
  parallel_for(context, x.rows, kOperationsPerElement * x.columns, [&](int64_t r) {
    int32_t* row_sums = all_offsets + r * num_groups;
    int8_kernels().round_row(x.row(r), x.columns, integers.group, all_values + r * x.columns,
                             all_scales + r * num_int8_blocks(x.columns), row_sums);
    if (integers.has_min) std::copy_n(row_sums, num_groups, all_sums + r * num_groups);
    for (int64_t g = 0; g < num_groups; ++g) row_sums[g] *= -integers.offset;
  });
  return packed;
}

}  // namespace gesso::cpu
