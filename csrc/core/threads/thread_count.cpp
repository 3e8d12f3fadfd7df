#include "core/threads/thread_count.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/platform/processors.h"
#include "gesso/limits.h"

namespace gesso {

int resolve_threads(int num_threads) {
  check(num_threads >= 0 && num_threads <= kMaxThreads, "num_threads: expected 1 to ", kMaxThreads,
        " (or 0 for all processors), got ", num_threads);
  if (num_threads > 0) return num_threads;
  const double allowed = std::min<double>(platform::num_processors(), std::ceil(platform::cpu_quota()));
  return std::max(1, static_cast<int>(allowed));
}

}  // namespace gesso
