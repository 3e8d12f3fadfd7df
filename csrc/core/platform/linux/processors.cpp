#include "core/platform/processors.h"

#include <sched.h>

#include <thread>
#include <vector>

#include "gesso/limits.h"

#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace gesso::platform {

// std::thread::hardware_concurrency() may count all processors that are online, also those that taskset has taken from
// this process (glibc 2.35 and later does). So Linux is asked for the affinity mask.
int num_processors() {
  std::vector<cpu_set_t> sets(kMaxThreads / CPU_SETSIZE);
  const size_t num_bytes = sets.size() * sizeof(cpu_set_t);
  if (::sched_getaffinity(0, num_bytes, sets.data()) == 0) return CPU_COUNT_S(num_bytes, sets.data());
  return static_cast<int>(std::thread::hardware_concurrency());
}

#ifdef __aarch64__
bool has_dot_products() { return (::getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }

bool has_matrix_products() {
  constexpr unsigned long kI8mm = 1ul << 13;  // HWCAP2_I8MM, which headers of older kernels lack
  return (::getauxval(AT_HWCAP2) & kI8mm) != 0;
}
#else
bool has_dot_products() { return false; }
bool has_matrix_products() { return false; }
#endif

}  // namespace gesso::platform
