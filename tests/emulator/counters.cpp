#include "counters.h"

#include "emulator.h"

namespace gesso::emulator {

Counters& counters() {
  static Counters the_counters;
  return the_counters;
}

int64_t num_kernels_launched() { return counters().kernels_launched; }
int64_t num_kernels_run() { return counters().kernels_run; }
int64_t num_kernel_queries() { return counters().kernel_queries; }
int64_t num_allocations() { return counters().allocations; }
int64_t num_host_waits() { return counters().host_waits; }
int64_t num_graph_launches() { return counters().graph_launches; }
int64_t bytes_to_host() { return counters().bytes_to_host; }

}  // namespace gesso::emulator
