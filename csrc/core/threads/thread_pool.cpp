#include "core/threads/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include "core/platform/process.h"

namespace gesso {
namespace {

struct Job {
  const std::function<void()>& work;
  int num_wanted = 0;   // helpers that may still join
  int num_running = 0;  // helpers inside work()
  std::condition_variable left = {};
};

class ThreadPool {
 public:
  void run(int num_threads, const std::function<void()>& work) {
    Job job{work, num_threads - 1};
    const auto entry = announce(job);
    work();
    std::unique_lock lock(mutex_);
    if (job.num_wanted > 0) jobs_.erase(entry);  // a helper that joined now would find nothing left to do
    job.left.wait(lock, [&] { return job.num_running == 0; });
  }

 private:
  std::list<Job*>::iterator announce(Job& job) {
    const std::lock_guard lock(mutex_);
    grow(job.num_wanted);
    const auto entry = jobs_.insert(jobs_.end(), &job);
    for (int i = 0; i < std::min(job.num_wanted, num_idle_); ++i) wake_.notify_one();
    return entry;
  }

  // When the system refuses another thread, the pool stays as it is: the threads that exist do the work.
  void grow(int count) {
    try {
      for (; num_helpers_ < count; ++num_helpers_) std::thread([this] { help_forever(); }).detach();
    } catch (const std::system_error&) {
    }
  }

  void help_forever() {
    std::unique_lock lock(mutex_);
    while (true) {
      ++num_idle_;
      wake_.wait(lock, [&] { return !jobs_.empty(); });
      --num_idle_;
      Job& job = *jobs_.front();
      ++job.num_running;
      if (--job.num_wanted == 0) jobs_.pop_front();
      lock.unlock();
      job.work();
      lock.lock();
      // After this, `job` must not be touched: its owner destroys it as soon as it gets the mutex.
      if (--job.num_running == 0) job.left.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Job*> jobs_;  // the jobs that still want helpers, oldest first
  int num_helpers_ = 0, num_idle_ = 0;
};

// The pool is never destroyed, because its threads may still sleep in it when the process ends. After fork() the child
// process has none of these threads, and perhaps a locked mutex, so it gets a new pool. The handler is registered when
// the library is loaded: fork() does not call handlers that another thread registers meanwhile, for example where the
// first job begins.
std::atomic<ThreadPool*> pool = nullptr;
[[maybe_unused]] const bool is_registered = (platform::call_in_forked([] { pool = nullptr; }), true);

ThreadPool& shared_pool() {
  ThreadPool* found = pool;
  if (found) return *found;
  auto made = std::make_unique<ThreadPool>();
  return pool.compare_exchange_strong(found, made.get()) ? *made.release() : *found;
}

}  // namespace

void run_on_threads(int num_threads, const std::function<void()>& work) {
  if (num_threads > 1) return shared_pool().run(num_threads, work);
  work();
}

}  // namespace gesso
