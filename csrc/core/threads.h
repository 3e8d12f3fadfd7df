// parallel_for: how an op divides its work among several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>

#include "core/context.h"
#include "core/thread_pool.h"

namespace gesso {

// A thread is used only where it gets at least this much work: about 50 microseconds of arithmetic. That is several
// times what it takes to wake the thread and to wait for it.
constexpr int64_t kMinOperationsPerThread = 200'000;

// Threads take indices in runs. A run is about kOperationsPerRun of work, so that threads seldom meet at the shared
// counter. But if there are enough indices, there are at least kRunsPerThread runs per thread, so that all threads end
// at about the same time.
constexpr int64_t kOperationsPerRun = 40'000;
constexpr int64_t kRunsPerThread = 8;

// How many operations one exp, tanh or sine counts as in these estimates.
constexpr int64_t kExpOperations = 20;

// Calls body(index) once for each 0 <= index < count, in any order and on any thread. Each index must write only its
// own results; so the results of an op do not depend on the number of threads. `operations_each` is a rough count of
// the arithmetic operations of one call; small jobs stay on the calling thread. When body throws, parallel_for throws
// the first exception after all threads have returned.
template <typename Body>
void parallel_for(const Context& context, int64_t count, int64_t operations_each, const Body& body) {
  const int64_t useful = count * operations_each / kMinOperationsPerThread;
  const int num_threads = static_cast<int>(std::min<int64_t>({context.num_threads, count, useful}));
  if (num_threads <= 1) {
    for (int64_t index = 0; index < count; ++index) body(index);
    return;
  }
  std::atomic<int64_t> next = 0;
  std::atomic_flag has_failed;
  std::exception_ptr error;  // what the first failed call threw
  const int64_t run = std::max<int64_t>(
      std::min(kOperationsPerRun / std::max<int64_t>(operations_each, 1), count / (num_threads * kRunsPerThread)), 1);
  const auto work = [&] {
    for (int64_t begin; (begin = next.fetch_add(run, std::memory_order_relaxed)) < count;) {
      try {
        for (int64_t index = begin; index < std::min(begin + run, count); ++index) body(index);
      } catch (...) {
        if (!has_failed.test_and_set()) error = std::current_exception();
      }
    }
  };
  run_on_threads(num_threads, std::ref(work));
  if (error) std::rethrow_exception(error);
}

}  // namespace gesso
