// parallel_for: how an op divides its work among several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <type_traits>

#include "core/context.h"
#include "core/threads/thread_pool.h"

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

// Lets the threads of one job stop early. parallel_for calls it before each run of indices. A body whose indices may
// take longer than some milliseconds calls it itself, now and then.
class JobPoll {
 public:
  explicit JobPoll(const Context& context) : context_(context) {}

  // Throws Interrupted if the job has failed on any thread. On the thread that began the job it also asks the caller,
  // as Context::poll_if_due says.
  void operator()() const {
    if (has_failed_.load(std::memory_order_relaxed)) throw Interrupted();
    if (std::this_thread::get_id() == caller_) context_.poll_if_due();
  }
  // Notes a failure. Returns whether it is the first one.
  bool fail() { return !has_failed_.exchange(true); }

 private:
  const Context& context_;
  const std::thread::id caller_ = std::this_thread::get_id();
  std::atomic<bool> has_failed_ = false;
};

// Calls body(index), or body(index, poll) with a JobPoll, once for each 0 <= index < count, in any order and on any
// thread. Each index must write only its own results; so the results of an op do not depend on the number of threads.
// `operations_each` is a rough count of the arithmetic operations of one call; small jobs stay on the calling thread.
// When body throws, or the caller interrupts the job, the other threads stop, too, and not every index is done.
// parallel_for throws the first exception after all threads have returned.
template <typename Body>
void parallel_for(const Context& context, int64_t count, int64_t operations_each, const Body& body) {
  const int64_t useful = count * operations_each / kMinOperationsPerThread;
  const int num_threads =
      static_cast<int>(std::max<int64_t>(std::min<int64_t>({context.num_threads, count, useful}), 1));
  const int64_t run = std::max<int64_t>(
      std::min(kOperationsPerRun / std::max<int64_t>(operations_each, 1), count / (num_threads * kRunsPerThread)), 1);
  JobPoll poll(context);
  std::atomic<int64_t> next = 0;
  std::exception_ptr error;  // what the first failed call threw
  const auto work = [&] {
    try {
      for (int64_t begin; (begin = next.fetch_add(run, std::memory_order_relaxed)) < count;) {
        poll();
        for (int64_t index = begin; index < std::min(begin + run, count); ++index) {
          if constexpr (std::is_invocable_v<const Body&, int64_t, const JobPoll&>) {
            body(index, poll);
          } else {
            body(index);
          }
        }
      }
    } catch (...) {
      if (poll.fail()) error = std::current_exception();
    }
  };
  run_on_threads(num_threads, std::ref(work));
  if (error) std::rethrow_exception(error);
}

}  // namespace gesso
