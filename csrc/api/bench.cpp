#include "gesso/bench.h"

#include "core/check.h"
#include "core/thread_count.h"
#include "ops/ceilings.h"

namespace gesso {

std::vector<Ceiling> measure_ceilings(const CeilingOptions& options) {
  check(options.bytes > 0, "bytes: expected at least 1, got ", options.bytes);
  check(options.milliseconds >= 0, "milliseconds: expected at least 0, got ", options.milliseconds);
  CeilingOptions resolved = options;
  resolved.num_threads = resolve_threads(options.num_threads);
  return cpu::measure_ceilings(resolved);
}

std::vector<std::string> instruction_sets() { return cpu::instruction_sets(); }
std::string int8_kernels_name() { return cpu::int8_kernels_name(); }

}  // namespace gesso
