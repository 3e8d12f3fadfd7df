// Which threads run the body of a parallel_for.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/threads/threads.h"

namespace {

using gesso::kMinOperationsPerThread;
using gesso::parallel_for;
using Ids = std::set<std::thread::id>;

gesso::Context with_threads(int num_threads) {
  gesso::Context context;
  context.num_threads = num_threads;
  return context;
}

// The threads that take part in a job. Each index waits until `expected` threads have come. If fewer come, it waits for
// at most 20 seconds.
Ids threads_used(int num_threads, size_t expected, int64_t operations_each = kMinOperationsPerThread) {
  std::mutex mutex;
  Ids ids;
  const auto have_come = [&] {
    const std::lock_guard lock(mutex);
    return ids.insert(std::this_thread::get_id()).first != ids.end() && ids.size() >= expected;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  parallel_for(with_threads(num_threads), 64, operations_each, [&](int64_t) {
    while (!have_come() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  });
  return ids;
}

}  // namespace

TEST_CASE("every index once") {
  for (int64_t count : {0, 1, 2, 1000, 10007}) {
    for (int64_t operations_each : {kMinOperationsPerThread, int64_t{500}}) {  // one index at a time, and several
      std::vector<int> calls(count);
      parallel_for(with_threads(3), count, operations_each, [&](int64_t i) { ++calls[i]; });
      CHECK(calls == std::vector<int>(count, 1));
    }
  }
}

TEST_CASE("as many threads as asked for, also where there are fewer processors, and after more were asked for") {
  for (int num_threads : {1, 2, 7, 3, 1}) {
    const Ids ids = threads_used(num_threads, num_threads);
    CHECK(ids.size() == static_cast<size_t>(num_threads));
    CHECK(ids.contains(std::this_thread::get_id()));
  }
}

TEST_CASE("a small job stays on the calling thread") {
  CHECK(threads_used(4, 1, kMinOperationsPerThread / 64) == Ids{std::this_thread::get_id()});
}

TEST_CASE("an exception comes out once all are back, and the next job runs") {
  std::atomic<int> num_inside = 0;
  for (int round = 0; round < 20; ++round) {
    CHECK_THROWS_AS(parallel_for(with_threads(3), 100, kMinOperationsPerThread,
                                 [&](int64_t i) {
                                   ++num_inside;
                                   std::this_thread::yield();
                                   --num_inside;
                                   if (i % 10 == 5) throw std::out_of_range("5");
                                 }),
                    std::out_of_range);
    CHECK(num_inside == 0);
  }
}

TEST_CASE("several callers share the helpers") {
  constexpr int kCallers = 5, kThreads = 4;
  std::mutex mutex;
  Ids helpers;
  std::vector<std::thread> callers;
  std::vector<int64_t> sums(kCallers);
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 200; ++round) {
        std::atomic<int64_t> sum = 0;
        parallel_for(with_threads(kThreads), 20, kMinOperationsPerThread,
                     [&, id = std::this_thread::get_id()](int64_t i) {
                       sum += i;
                       if (std::this_thread::get_id() == id) return;
                       const std::lock_guard lock(mutex);
                       helpers.insert(std::this_thread::get_id());
                     });
        sums[caller] += sum;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(sums == std::vector<int64_t>(kCallers, 200 * 190));
  CHECK(helpers.size() <= 6);  // the largest team of this program has 7 threads, one of them the caller
}

TEST_CASE("a job within a job") {
  std::atomic<int> num_calls = 0;
  parallel_for(with_threads(3), 8, kMinOperationsPerThread, [&](int64_t) {
    parallel_for(with_threads(3), 8, kMinOperationsPerThread, [&](int64_t) { ++num_calls; });
  });
  CHECK(num_calls == 64);
}

TEST_CASE("a forked process has threads of its own") {
  CHECK(threads_used(3, 3).size() == 3);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(threads_used(3, 3).size() == 3 ? 0 : 1);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
