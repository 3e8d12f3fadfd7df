// The one place that starts threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>

#include "core/context.h"

namespace gesso {

// Work below which another thread costs more than it brings: about 50 microseconds of arithmetic, several times what
// waking and joining a thread takes.
constexpr int64_t kMinOperationsPerThread = 200'000;

// What one exp, tanh or sine counts as in the estimates.
constexpr int64_t kExpOperations = 20;

// Calls body(index) for 0 <= index < count, in any order and on any thread. Each index must write only its own results:
// that is what makes every op independent of the number of threads. An exception ends the call once all threads are
// back. `operations_each` is a rough count of one call's arithmetic operations; small jobs stay on the calling thread.
template <typename Body>
void parallel_for([[maybe_unused]] const Context& context, int64_t count, [[maybe_unused]] int64_t operations_each,
                  const Body& body) {
#ifdef _OPENMP
  const int64_t useful = count * operations_each / kMinOperationsPerThread;
  const int num_threads = static_cast<int>(std::min<int64_t>({context.num_threads, count, useful}));
  if (num_threads > 1) {
    std::exception_ptr error;  // must not leave the parallel region by itself
#pragma omp parallel for schedule(dynamic) num_threads(num_threads)
    for (int64_t index = 0; index < count; ++index) {
      try {
        body(index);
      } catch (...) {
#pragma omp critical(gesso_parallel_for)
        error = std::current_exception();
      }
    }
    if (error) std::rethrow_exception(error);
    return;
  }
#endif
  for (int64_t index = 0; index < count; ++index) body(index);
}

}  // namespace gesso
