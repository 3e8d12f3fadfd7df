#include "ops/trace_range.h"

#include "ops/dispatch.h"

namespace gesso::ops {

TraceRange::TraceRange(const Context& context, [[maybe_unused]] const char* name)
    : is_open_(kHasCuda && context.queue) {
  if constexpr (kHasCuda) {
    if (is_open_) cuda::push_range(name);
  }
}

TraceRange::~TraceRange() {
  if constexpr (kHasCuda) {
    if (is_open_) cuda::pop_range();
  }
}

}  // namespace gesso::ops
