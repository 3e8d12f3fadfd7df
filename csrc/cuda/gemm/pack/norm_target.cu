#include "cuda/gemm/pack/norm_target.h"

namespace gesso::cuda {
namespace {

NormTarget norm_target(const Context& context, const ops::NormedRows& rows, bool can_be_half) {
  NormTarget target = {one_row(rows.weight, rows.out.columns), QuadRows(rows.out), {}, rows.scale};
  if (rows.rounding.slot < 0) return target;
  const PackedRows packed = packed_rows(context, rows.out, rows.rounding);
  const bool is_packed_later = is_f16(packed.format.type) ? !can_be_half : needs_whole_rows(packed.format);
  if (is_packed_later) return target;
  target.packed = PackedTarget(packed);
  target.keeps_values = rounds_alike(context, rows.rounding) ? 0 : 1;
  return target;
}

}  // namespace

NormTargets norm_targets(const Context& context, std::span<const ops::NormedRows> rows) {
  NormTargets targets;
  for (const ops::NormedRows& each : rows) {
    NormTarget& target = targets.target[targets.count];
    target = norm_target(context, each, targets.half < 0);
    if (target.is_half()) targets.half = targets.count;
    ++targets.count;
  }
  return targets;
}

void pack_remaining(const Context& context, std::span<const ops::NormedRows> rows, const NormTargets& targets) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!targets.target[i].packed.values) fill_slot(context, rows[i].out, rows[i].rounding);
  }
}

}  // namespace gesso::cuda
