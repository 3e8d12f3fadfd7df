// What an Engine has: the memory of its passes, its requests, and the thread that serves them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "api/request_impl.h"
#include "engine/loop.h"
#include "engine/own_process.h"
#include "engine/prefix_cache.h"
#include "ops/memory.h"

namespace gesso {

// One thread at a time runs passes: the driver. It alone uses the loop, the prefix cache and the running requests.
// `mutex` guards what other threads see, too. No callback is called while it is held.
struct Engine::Impl : std::enable_shared_from_this<Engine::Impl> {
  using RequestPointer = std::shared_ptr<Request::Impl>;
  // A request goes from list to list without any memory. So what was submitted ends, whatever fails meanwhile.
  using Requests = std::list<RequestPointer>;

  Impl(const Model& model, const EngineOptions& options, ops::QueuePointer queue);
  ~Impl() { ops::wait_for_leftovers(context); }  // before its memory goes

  void submit(const RequestPointer& request);
  // What the engine's thread does.
  void serve();
  // Runs one pass, or all that are left after close(). Returns false if there is nothing to do, and if another thread
  // runs one.
  bool try_drive();
  // As Engine::run_once().
  bool run_once();
  bool drain(std::optional<double> seconds);
  bool close(std::optional<double> seconds);
  void check_not_in_callback(const char* call) const;
  EngineCounters snapshot() const;
  void forget_prefixes();

  bool has_thread() const { return options.has_thread; }
  const ModelConfig& config() const { return shared->config; }

  const engine::OwnProcess process;
  const Model model;
  const std::shared_ptr<const Model::Impl> shared;
  const ops::QueuePointer queue;  // declared before all memory of its device, so that it is destroyed last
  const EngineOptions options;
  const int64_t slots;
  model::PassScratch memory;
  int64_t memory_bytes;

 private:
  struct Key {
    int64_t number = 0, num_live = 0;
  };

  bool drive() noexcept;
  bool drive_or_end();
  bool join(engine::Clock::time_point end);
  bool end_without_thread(engine::Clock::time_point end);
  void take_requests() noexcept;
  void forget_if_asked();
  void note_memory();
  void finish(std::span<engine::Job* const> ended) noexcept;
  void count(const engine::PassReport& report) noexcept;
  Requests::const_iterator find_running(const engine::Job* job) const;

  // Used by the driver.
  Context context;
  std::optional<engine::PrefixCache> prefixes;
  std::optional<engine::Loop> loop;
  Requests running;
  std::mutex driving;
  std::atomic<std::thread::id> driver;  // the thread that runs a pass
  std::atomic<bool> is_closed = false, forgets_prefixes = false;

 public:
  std::thread thread;
  std::atomic<bool> was_given_up = false;  // a close(seconds) has not waited until the end

 private:
  std::mutex joining;        // held while `thread` is joined
  mutable std::mutex mutex;  // for what follows
  std::condition_variable changed;
  bool has_served = false;  // the thread is at its end
  Requests incoming;
  std::map<std::string, Key> keys;  // of requests that have not ended
  int64_t num_keys = 0;             // that there have been
  int64_t num_live = 0;             // requests that have not ended
  EngineCounters counters;
};

}  // namespace gesso
