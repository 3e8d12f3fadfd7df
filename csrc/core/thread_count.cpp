#include "core/thread_count.h"

#include <algorithm>
#include <cmath>
#include <thread>

#ifdef __linux__
#include <sched.h>

#include <vector>
#endif

#include "core/check.h"
#include "core/cpu_quota.h"
#include "gesso/limits.h"

namespace gesso {
namespace {

// The processors that this process may run on. std::thread::hardware_concurrency() may count all that are online, also
// those that taskset has taken from this process (glibc 2.35 and later does). So Linux is asked for the affinity mask.
int num_processors() {
#ifdef __linux__
  std::vector<cpu_set_t> sets(kMaxThreads / CPU_SETSIZE);
  const size_t num_bytes = sets.size() * sizeof(cpu_set_t);
  if (::sched_getaffinity(0, num_bytes, sets.data()) == 0) return CPU_COUNT_S(num_bytes, sets.data());
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

int resolve_threads(int num_threads) {
  check(num_threads >= 0 && num_threads <= kMaxThreads, "num_threads: expected 1 to ", kMaxThreads,
        " (or 0 for all processors), got ", num_threads);
  if (num_threads > 0) return num_threads;
  const double allowed = std::min<double>(num_processors(), std::ceil(cpu_quota()));
  return std::max(1, static_cast<int>(allowed));
}

}  // namespace gesso
