// The one place that starts threads.
#pragma once

#include <cstdint>

#include "core/context.h"

namespace gesso {

// Calls body(index) for 0 <= index < count, in any order and on any thread. The body must not throw, and each index
// must write only its own results: that is what makes every op independent of the number of threads.
template <typename Body>
void parallel_for(const Context& context, int64_t count, const Body& body) {
#ifdef _OPENMP
  if (context.num_threads > 1 && count > 1) {
#pragma omp parallel for schedule(dynamic) num_threads(context.num_threads)
    for (int64_t index = 0; index < count; ++index) body(index);
    return;
  }
#endif
  for (int64_t index = 0; index < count; ++index) body(index);
}

}  // namespace gesso
