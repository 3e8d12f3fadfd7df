#include "gesso/engine.h"

#include <chrono>
#include <mutex>
#include <system_error>
#include <utility>

#include "api/engine_impl.h"
#include "core/check.h"
#include "diffusion/options.h"

namespace gesso {

void check_options(const GenerationOptions& options, const Model& model) {
  diffusion::resolve_options(options, model.config(), 1, model.tokenizer());
}

// An engine's thread keeps what it works with, so an engine may be destroyed in one of its callbacks.
Engine::Engine(const Model& model, const EngineOptions& options)
    : impl_(new Impl(model, options, model.impl_->make_queue()), engine::OwnProcess()) {
  if (!options.has_thread) return;
  try {
    impl_->thread = std::thread([impl = impl_] { impl->serve(); });
  } catch (const std::system_error& error) {
    throw Error(concat("cannot start the engine's thread: ", error.code().message()));
  }
}

Engine::~Engine() {
  if (!impl_ || impl_->process.is_foreign()) return;
  if (!impl_->was_given_up) impl_->close(std::nullopt);
  if (impl_->thread.joinable()) impl_->thread.detach();
}

Engine::Engine(Engine&&) noexcept = default;

Engine& Engine::operator=(Engine&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

// A call keeps what it works with, since a callback may destroy the engine meanwhile.
std::shared_ptr<Engine::Impl> Engine::kept(const char* call) const {
  check(impl_ != nullptr, call, ": the engine was moved to another one");
  impl_->process.check();
  return impl_;
}

Request Engine::submit(std::vector<int32_t> prompt, const RequestOptions& options) {
  const std::shared_ptr<Impl> impl = kept("submit");
  const std::shared_ptr<Request::Impl> request(new Request::Impl(impl, options), engine::OwnProcess());
  request->own_sequence.emplace(impl->config(), impl->shared->weights);
  append_ids({&prompt, 1}, {&*request->own_sequence, 1}, impl->config());
  impl->submit(request);
  return Request(request);
}

Request Engine::submit(Session& session, std::vector<int32_t> ids, const RequestOptions& options) {
  const std::shared_ptr<Impl> impl = kept("submit");
  const std::shared_ptr<Request::Impl> request(new Request::Impl(impl, options), engine::OwnProcess());
  request->session.emplace(session.impl_, "submit");
  Session::Impl& content = *request->session->operator->();
  check(content.batch_size() == 1, "submit: expected a session of batch size 1, got ", content.batch_size());
  check(content.shared == impl->shared, "submit: expected a session of the engine's own model");
  model::Sequence& sequence = request->sequence();
  request->length_before = std::ssize(sequence.ids);
  append_ids({&ids, 1}, {&sequence, 1}, impl->config());
  try {
    impl->submit(request);
  } catch (...) {
    sequence.rewind(request->length_before);
    throw;
  }
  return Request(request);
}

bool Engine::run_once() { return kept("run_once")->run_once(); }
bool Engine::drain(std::optional<double> seconds) { return kept("drain")->drain(seconds); }
bool Engine::close(std::optional<double> seconds) {
  if (impl_ && impl_->process.is_foreign()) return true;
  return kept("close")->close(seconds);
}
EngineCounters Engine::counters() const { return kept("counters")->snapshot(); }
void Engine::forget_prefixes() { kept("forget_prefixes")->forget_prefixes(); }
int64_t Engine::max_running() const { return impl_ ? impl_->slots : kept("max_running")->slots; }  // it never changes

// How the calls above wait.

bool Engine::Impl::drain(std::optional<double> seconds) {
  check_not_in_callback("drain");
  const engine::Clock::time_point end = engine::end_of_wait(seconds);
  std::unique_lock lock(mutex);
  while (num_live > 0) {
    if (engine::Clock::now() >= end) return false;
    if (has_thread()) {
      changed.wait_until(lock, end);
      continue;
    }
    lock.unlock();
    const bool drives = try_drive();
    lock.lock();
    if (!drives) changed.wait_for(lock, std::chrono::milliseconds(10));  // another thread runs a pass
  }
  return true;
}

bool Engine::Impl::close(std::optional<double> seconds) {
  const engine::Clock::time_point end = engine::end_of_wait(seconds);
  {
    const std::lock_guard lock(mutex);
    is_closed = true;
    changed.notify_all();
  }
  if (driver == std::this_thread::get_id()) return true;  // in a callback: the rest follows behind this pass
  if (has_thread() ? join(end) : end_without_thread(end)) return true;
  was_given_up = true;
  return false;
}

bool Engine::Impl::join(engine::Clock::time_point end) {
  {
    std::unique_lock lock(mutex);
    if (!changed.wait_until(lock, end, [&] { return has_served; })) return false;
  }
  const std::lock_guard lock(joining);
  if (thread.joinable()) thread.join();
  return true;
}

// Runs the passes that are left, as soon as no other thread runs one.
bool Engine::Impl::end_without_thread(engine::Clock::time_point end) {
  std::unique_lock lock(driving, std::try_to_lock);
  while (!lock.owns_lock()) {
    if (engine::Clock::now() >= end) return false;
    std::unique_lock wait(mutex);
    changed.wait_for(wait, std::chrono::milliseconds(10));
    wait.unlock();
    lock = std::unique_lock(driving, std::try_to_lock);
  }
  while (drive()) {
  }
  return true;
}

}  // namespace gesso
