#include "api/request_impl.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "api/engine_impl.h"
#include "core/check.h"
#include "core/log.h"

namespace gesso {
namespace {

RequestEvent copy(const StepEvent& event) {
  RequestEvent out;
  out.kind = RequestEvent::Kind::kStep;
  out.canvas = event.canvas;
  out.step = event.step;
  out.max_denoising_steps = event.max_denoising_steps;
  out.mean_entropy = event.mean_entropy;
  out.accepted.assign(event.accepted.begin(), event.accepted.end());
  out.entropies.assign(event.entropies.begin(), event.entropies.end());
  out.ids.assign(event.argmax.begin(), event.argmax.end());
  return out;
}

RequestEvent copy(const CanvasEvent& event) {
  RequestEvent out;
  out.kind = RequestEvent::Kind::kCanvas;
  out.canvas = event.canvas;
  out.denoising_steps = event.denoising_steps;
  out.finished = event.finished;
  out.text_length = event.text_length;
  out.ids.assign(event.ids.begin(), event.ids.end());
  return out;
}

std::string message_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& thrown) {
    return thrown.what();
  } catch (...) {
    return "an error that is no exception of C++";
  }
}

}  // namespace

Request::Impl::Impl(std::weak_ptr<Engine::Impl> engine, RequestOptions given)
    : engine(std::move(engine)), options(std::move(given)) {
  check(!options.deadline || *options.deadline > 0, "deadline: expected seconds > 0, got ",
        options.deadline.value_or(0.0));
  if (!options.keep_events) return;
  options.generation.on_step = [this, inner = options.generation.on_step](const StepEvent& event) {
    add_event(copy(event));
    report();
    return !inner || inner(event);
  };
  options.generation.on_canvas = [this, inner = options.generation.on_canvas](const CanvasEvent& event) {
    add_event(copy(event));
    report();
    return !inner || inner(event);
  };
}

void Request::Impl::add_event(RequestEvent event) {
  const std::lock_guard lock(mutex);
  constexpr auto kStep = RequestEvent::Kind::kStep;
  if (event.kind == kStep && !events.empty() && events.back().kind == kStep) events.pop_back();
  events.push_back(std::move(event));
  changed.notify_all();
}

void Request::Impl::report() {
  try {
    if (options.on_news) options.on_news();
  } catch (...) {  // it must not throw, and nobody is there who could get it
  }
  if (is_done) options.on_news = nullptr;  // it may hold its own request
}

void Request::Impl::settle() {
  if (!job->error) outcome = std::move(job->generation.result());
  error = job->error;
  job.reset();
  if (session && error) (*session)->sequences[0].rewind(length_before);
  own_sequence.reset();
  session.reset();
  // A callback may hold its own request, which would then live forever.
  options.generation.on_step = nullptr;
  options.generation.on_canvas = nullptr;
}

void Request::Impl::log_end() const {
  const double seconds = engine::to_seconds(engine::Clock::now() - submitted_at);
  if (error) {
    log_message(LogLevel::kDebug,
                [&] { return concat("a request failed after ", time_text(seconds), ": ", message_of(error)); });
    return;
  }
  const std::vector<int64_t>& steps = outcome.denoising_steps;
  log_message(LogLevel::kDebug, [&] {
    return concat("a request ended after ", time_text(seconds), " (", name_of(outcome.finish_reason), "), ",
                  outcome.usage.cached_tokens, " of ", count_text(outcome.usage.prompt_tokens, "token"),
                  " in front were encoded already: ", count_text(std::ssize(steps), "canvas", "canvases"), ", ",
                  count_text(std::accumulate(steps.begin(), steps.end(), int64_t{0}), "step"));
  });
}

void Request::Impl::publish() {
  const std::lock_guard lock(mutex);
  is_done = true;
  changed.notify_all();
}

template <typename Condition>
bool Request::Impl::wait_until(const Condition& is_reached, std::optional<double> seconds) {
  process.check();
  using engine::Clock;
  const Clock::time_point end = engine::end_of_wait(seconds);
  std::unique_lock lock(mutex);
  while (!is_reached()) {
    if (Clock::now() >= end) return false;
    lock.unlock();
    const std::shared_ptr<Engine::Impl> server = engine.lock();
    if (server) server->check_not_in_callback("wait");
    const bool drives = server && !server->has_thread() && server->try_drive();
    lock.lock();
    if (drives || is_reached()) continue;
    // Another thread may run the passes of an engine without a thread, and may leave off.
    const bool may_have_to_drive = server && !server->has_thread();
    changed.wait_until(lock, may_have_to_drive ? std::min(end, Clock::now() + std::chrono::milliseconds(10)) : end);
  }
  return true;
}

void Request::cancel() const {
  impl_->process.check();
  impl_->is_cancelled = true;
}

bool Request::is_done() const {
  impl_->process.check();
  const std::lock_guard lock(impl_->mutex);
  return impl_->is_done;
}

bool Request::wait(std::optional<double> seconds) const {
  return impl_->wait_until([&] { return impl_->is_done; }, seconds);
}

Result Request::result() const {
  wait();
  const std::lock_guard lock(impl_->mutex);
  if (impl_->error) std::rethrow_exception(impl_->error);
  return impl_->outcome;
}

std::optional<RequestEvent> Request::next(std::optional<double> seconds) const {
  check(impl_->options.keep_events, "next: expected a request that was submitted with keep_events");
  const auto has_news = [&] { return impl_->is_done || !impl_->events.empty(); };
  if (!impl_->wait_until(has_news, seconds)) return std::nullopt;
  const std::lock_guard lock(impl_->mutex);
  if (impl_->events.empty()) {
    // Another thread may have taken the event. The end itself is no entry of the list, since a request ends without
    // any memory.
    if (!impl_->is_done || std::exchange(impl_->has_told_end, true)) return std::nullopt;
    return RequestEvent();
  }
  RequestEvent event = std::move(impl_->events.front());
  impl_->events.pop_front();
  return event;
}

}  // namespace gesso
