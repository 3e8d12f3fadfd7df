#include "api/thread_count.h"

#include <algorithm>
#include <thread>

#include "core/check.h"

namespace gesso {
namespace {

constexpr int kMaxThreads = 4096;

}  // namespace

int resolve_threads(int num_threads) {
  check(num_threads >= 0 && num_threads <= kMaxThreads, "num_threads: expected 1 to ", kMaxThreads,
        " (or 0 for all processors), got ", num_threads);
  // The standard library counts the processors this process may run on.
  return num_threads > 0 ? num_threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace gesso
