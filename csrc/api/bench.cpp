#include "gesso/bench.h"

#include <optional>

#include "api/device_choice.h"
#include "core/check.h"
#include "core/threads/thread_count.h"
#include "ops/ceilings.h"

namespace gesso {

std::vector<Ceiling> measure_ceilings(const CeilingOptions& options) {
  check(options.bytes > 0, "bytes: expected at least 1, got ", options.bytes);
  check(options.milliseconds >= 0, "milliseconds: expected at least 0, got ", options.milliseconds);
  Context context;
  context.num_threads = resolve_threads(options.num_threads);
  ops::QueuePointer queue;
  if (const std::optional<ops::Device> device = choose_device(options.device)) queue = ops::make_queue(device->index);
  context.queue = queue.get();
  return ops::measure_ceilings(context, options);
}

void set_early_starts(bool on) { ops::set_early_starts(on); }

std::vector<std::string> instruction_sets() { return cpu::instruction_sets(); }
std::string int8_kernels_name() { return cpu::int8_kernels_name(); }

}  // namespace gesso
