// What a Request has: its options, its sequence while it runs, and its outcome.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>

#include "api/session_impl.h"
#include "engine/job.h"
#include "engine/own_process.h"
#include "gesso/engine.h"

namespace gesso {

struct Request::Impl {
  Impl(std::weak_ptr<Engine::Impl> engine, RequestOptions given);

  // These are called on the thread that runs the passes.
  void add_event(RequestEvent event);
  // Keeps the outcome of the job, and lets go of what only a running request needs. Neither this nor the next throws.
  void settle();
  // Lets everybody see it.
  void publish();
  // Tells the log how it ended, behind settle(). No lock may be held.
  void log_end() const;
  // Calls on_news. No lock may be held.
  void report();

  // Waits until `is_reached` says so, which is called with the mutex held, for at most `seconds`. Where the engine has
  // no thread, it runs passes itself. Returns whether it is reached.
  template <typename Condition>
  bool wait_until(const Condition& is_reached, std::optional<double> seconds);

  const engine::OwnProcess process;
  const std::weak_ptr<Engine::Impl> engine;
  RequestOptions options;
  diffusion::ResolvedOptions resolved;
  const engine::Clock::time_point submitted_at = engine::Clock::now();
  std::atomic<bool> is_cancelled = false;

  // Used by the thread that runs the passes, while the request has not ended.
  std::optional<Session::Impl::ChangingCall> session;  // none: the request has a sequence of its own
  std::optional<model::Sequence> own_sequence;
  int64_t length_before = 0;  // tokens of the session's sequence before submit()
  std::optional<engine::Job> job;

  model::Sequence& sequence() { return session ? (*session)->sequences[0] : *own_sequence; }

  std::exception_ptr error;  // this and the next are set before `is_done`
  Result outcome;
  std::mutex mutex;  // for what follows
  std::condition_variable changed;
  bool is_done = false, has_told_end = false;  // the latter: next() has returned the end
  std::deque<RequestEvent> events;
};

}  // namespace gesso
