// The counters that emulator.h reads.
#pragma once

#include <atomic>
#include <cstdint>

namespace gesso::emulator {

struct Counters {
  std::atomic<int64_t> kernels_run = 0;
  std::atomic<int64_t> allocations = 0;
  std::atomic<int64_t> host_waits = 0;
  std::atomic<int64_t> graph_launches = 0;
  std::atomic<int64_t> bytes_to_host = 0;
  std::atomic<int64_t> kernels_launched = 0;
  std::atomic<int64_t> kernel_queries = 0;
};

Counters& counters();

}  // namespace gesso::emulator
