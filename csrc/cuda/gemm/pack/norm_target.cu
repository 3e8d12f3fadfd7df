#include "cuda/gemm/pack/norm_target.h"

namespace gesso::cuda {
namespace {

NormTarget norm_target(const Context& context, const ops::NormedRows& rows) {
  NormTarget target = {one_row(rows.weight, rows.out.columns), QuadRows(rows.out), {}, rows.scale};
  if (rows.rounding.slot < 0) return target;
  const PackedRows packed = packed_rows(context, rows.out, rows.rounding);
  if (packed.format.num_terms > 0) return target;
  target.packed = PackedTarget(packed);
  target.keeps_values = rounds_alike(context, rows.rounding) ? 0 : 1;
  return target;
}

}  // namespace

NormTargets norm_targets(const Context& context, std::span<const ops::NormedRows> rows) {
  NormTargets targets;
  for (const ops::NormedRows& each : rows) targets.target[targets.count++] = norm_target(context, each);
  return targets;
}

void pack_remaining(const Context& context, std::span<const ops::NormedRows> rows) {
  for (const ops::NormedRows& each : rows) {
    if (each.rounding.slot < 0) continue;
    const bool is_fp4 = packed_rows(context, each.out, each.rounding).format.num_terms > 0;
    if (is_fp4) fill_slot(context, each.out, each.rounding);
  }
}

}  // namespace gesso::cuda
