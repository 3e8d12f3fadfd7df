// How an op uses several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>

#include "core/context.h"
#include "core/thread_pool.h"

namespace gesso {

// Work below which another thread costs more than it brings: about 50 microseconds of arithmetic, several times what
// waking and joining a thread takes.
constexpr int64_t kMinOperationsPerThread = 200'000;

// Indices are handed out in runs of about this much work, so that threads do not wait for each other to take one; and
// in at least so many runs per thread, so that they end together.
constexpr int64_t kOperationsPerRun = 40'000;
constexpr int64_t kRunsPerThread = 8;

// What one exp, tanh or sine counts as in the estimates.
constexpr int64_t kExpOperations = 20;

// Calls body(index) for 0 <= index < count, in any order and on any thread, each time with the next indices that
// nobody has. Each index must write only its own results: that is what makes every op independent of the number of
// threads. An exception ends the call once all threads are back. `operations_each` is a rough count of one call's
// arithmetic operations; small jobs stay on the calling thread.
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
  std::exception_ptr error;  // of the first that failed
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
