#include "cuda/vocabulary/soft_plan.h"

#include <algorithm>
#include <cstdint>

#include "core/check.h"

namespace gesso::cuda {

SoftPlan plan_soft(const DeviceProperties& properties, DType table, int64_t num_columns, int64_t num_tokens) {
  constexpr int kMinTokens = 512;  // of a block. With fewer, adding to the sums in memory would take most of its time
  SoftPlan plan;
  plan.is_wgmma = properties.arch == 90 && SoftWgmmaTypes::has(table);
  plan.step_tokens = plan.is_wgmma ? kSoftWgmmaTokens : kSoftMmaTokens;
  plan.num_tiles = static_cast<int>((num_columns + kSoftTileColumns - 1) / kSoftTileColumns);
  plan.num_steps = static_cast<int>((num_tokens + plan.step_tokens - 1) / plan.step_tokens);
  const int min_steps = kMinTokens / plan.step_tokens;
  if (plan.is_wgmma) {
    const int of_pairs = properties.num_multiprocessors / ((plan.num_tiles + 1) / 2 * 2);
    plan.num_blocks = plan.num_tiles * std::max(1, std::min(of_pairs, plan.num_steps / min_steps));
  } else {
    plan.num_blocks = std::clamp(plan.total_steps() / min_steps, 1, properties.num_multiprocessors);
  }
  check(int64_t{plan.total_steps()} * plan.num_blocks <= INT32_MAX, "soft_embed: a table of ", num_columns,
        " columns is too wide for this GPU");
  return plan;
}

}  // namespace gesso::cuda
