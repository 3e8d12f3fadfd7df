#include "api/engine_impl.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/check.h"
#include "core/log.h"
#include "core/platform/memory.h"
#include "gesso/limits.h"
#include "model/pass_limits.h"
#include "ops/device.h"
#include "ops/memory.h"

namespace gesso {
namespace {

// The canvases of a pass that is as long as passes may be.
int64_t most_slots(const ModelConfig& config, bool on_device) {
  const model::PassLimits limits = model::pass_limits(config, kMaxBatch, on_device);
  return limits.rows_per_kind / config.canvas_length;
}

int64_t choose_slots(const EngineOptions& options, const ModelConfig& config, bool on_device) {
  check(options.max_running >= 0, "max_running: expected at least 0, got ", options.max_running);
  check(options.max_queued >= 0, "max_queued: expected at least 0, got ", options.max_queued);
  check(options.memory_bytes >= 0, "memory_bytes: expected at least 0, got ", options.memory_bytes);
  const int64_t most = most_slots(config, on_device);
  return options.max_running == 0 ? most : std::min(options.max_running, most);
}

int64_t free_bytes(const std::optional<ops::Device>& device) {
  if (device) return ops::free_bytes(device->index);
  return static_cast<int64_t>(std::min<size_t>(platform::available_bytes(), std::numeric_limits<int64_t>::max()));
}

// The counter of the requests that ended as this one.
int64_t EngineCounters::*ending_of(const engine::Job& job) {
  if (job.error) {
    try {
      std::rethrow_exception(job.error);
    } catch (const DeadlineExceeded&) {
      return &EngineCounters::exceeded;
    } catch (...) {
      return &EngineCounters::failed;
    }
  }
  switch (job.generation.result().finish_reason) {
    case FinishReason::kStop:
      return &EngineCounters::stopped;
    case FinishReason::kLength:
      return &EngineCounters::full_length;
    case FinishReason::kCancelled:
      return &EngineCounters::cancelled;
    case FinishReason::kDeadline:
      return &EngineCounters::late;
  }
  return &EngineCounters::failed;
}

}  // namespace

Engine::Impl::Impl(const Model& model, const EngineOptions& options, ops::QueuePointer queue)
    : model(model),
      shared(model.impl_),
      queue(queue),
      options(options),
      slots(choose_slots(options, shared->config, queue != nullptr)),
      memory(shared->context({}, queue), shared->config, shared->weights.key_value_layouts,
             model::pass_limits(shared->config, slots, queue != nullptr)),
      context(shared->context([this] { return is_closed || !loop->is_wanted(engine::Clock::now()); }, queue)) {
  memory_bytes = options.memory_bytes > 0 ? options.memory_bytes : free_bytes(shared->device) / 2;
  int64_t prefix_bytes = options.prefix_bytes;
  if (prefix_bytes < 0) {
    prefix_bytes = memory_bytes / 4;
    memory_bytes -= prefix_bytes;
  }
  const model::PassContext pass{context, config(), shared->weights, memory, shared->exact_soft_embedding};
  if (prefix_bytes > 0) prefixes.emplace(config(), shared->weights.key_value_layouts, prefix_bytes);
  loop.emplace(pass, slots, memory_bytes, prefixes ? &*prefixes : nullptr);
  log_message(LogLevel::kInfo, [&] {
    return concat("made an engine: at most ", count_text(slots, "request"), " in a pass, ", size_text(memory_bytes),
                  " for their caches, ", size_text(prefix_bytes), " for what is kept of prompts");
  });
}

void Engine::Impl::submit(const RequestPointer& request) {
  const ModelConfig& c = config();
  model::Sequence& sequence = request->sequence();
  request->resolved = diffusion::resolve_options(request->options.generation, c, 1, shared->tokenizer);
  request->job.emplace(diffusion::Generation(c, request->options.generation, request->resolved, sequence, 0));
  engine::Job& job = *request->job;
  // The request may have ended before the end of this function.
  const int64_t num_tokens = std::ssize(sequence.ids), num_canvases = request->resolved.num_canvases;
  const int64_t length = num_tokens + num_canvases * c.canvas_length;
  job.cache_bytes = model::KvCache::max_bytes(c, shared->weights.key_value_layouts, length, memory.rows_per_kind());
  if (job.cache_bytes > memory_bytes) {
    throw OutOfMemory(concat("the request's cache may take ", job.cache_bytes, " bytes, but the engine has ",
                             memory_bytes, " bytes for caches (memory_bytes)"),
                      job.cache_bytes, memory_bytes);
  }
  job.priority = request->options.priority;
  job.cancelled = &request->is_cancelled;
  if (request->options.deadline) {
    job.deadline = request->submitted_at + engine::to_duration(std::min(*request->options.deadline, 1e8));
  }
  Requests submitted = {request};
  std::unique_lock lock(mutex);
  check(!is_closed, "submit: the engine is closed");
  if (num_live - slots >= options.max_queued) {
    ++counters.refused;
    throw QueueFull(concat("the engine's queue is full: it has ", num_live, " requests, ", num_live - slots,
                           " more than places, and max_queued is ", options.max_queued));
  }
  Key& key = keys[request->options.key];
  if (key.num_live++ == 0) key.number = num_keys++;
  job.key = key.number;
  incoming.splice(incoming.end(), submitted);
  ++num_live;
  ++counters.submitted;
  const int64_t others = num_live - 1;
  changed.notify_all();
  lock.unlock();
  // Nothing may throw any more: the engine has the request.
  log_message(LogLevel::kDebug, [&] {
    return concat("submitted a request: ", count_text(num_tokens, "token"), ", at most ",
                  count_text(num_canvases, "canvas", "canvases"), "; the engine has ", others, " others");
  });
}

void Engine::Impl::take_requests() noexcept {
  Requests taken;
  {
    const std::lock_guard lock(mutex);
    taken.swap(incoming);
  }
  while (!taken.empty()) {
    engine::Job* job = &*taken.front()->job;
    running.splice(running.end(), taken, taken.begin());
    try {
      loop->add(*job);
    } catch (...) {
      job->error = std::current_exception();
      engine::PassReport report;
      report.ended = {&job, 1};
      count(report);
      finish(report.ended);
    }
  }
}

bool Engine::Impl::drive() noexcept {
  driver = std::this_thread::get_id();
  take_requests();
  forget_if_asked();
  if (is_closed) {
    for (const RequestPointer& request : running) request->is_cancelled = true;
  }
  const bool has_work = !loop->is_idle();
  if (has_work) {
    const engine::PassReport report = loop->run_pass();
    count(report);
    finish(report.ended);
  }
  driver = std::thread::id();
  return has_work;
}

Engine::Impl::Requests::const_iterator Engine::Impl::find_running(const engine::Job* job) const {
  return std::ranges::find_if(running, [&](const RequestPointer& request) { return &*request->job == job; });
}

bool Engine::Impl::drive_or_end() {
  const bool has_run = drive();
  while (is_closed && drive()) {
  }
  return has_run;
}

bool Engine::Impl::try_drive() {
  const std::unique_lock lock(driving, std::try_to_lock);
  return lock.owns_lock() && drive_or_end();
}

bool Engine::Impl::run_once() {
  check(!has_thread(), "run_once: the engine has a thread of its own, which runs the passes");
  check_not_in_callback("run_once");
  const std::unique_lock lock(driving, std::try_to_lock);
  if (!lock.owns_lock()) throw BusyError("run_once: the engine is busy: another thread runs a pass");
  return drive_or_end();
}

void Engine::Impl::serve() {
  const std::lock_guard lock(driving);
  for (;;) {
    while (drive()) {
    }
    std::unique_lock wait(mutex);
    changed.wait(wait, [&] { return is_closed || forgets_prefixes || !incoming.empty(); });
    if (!is_closed || !incoming.empty()) continue;
    has_served = true;
    changed.notify_all();
    return;
  }
}

void Engine::Impl::finish(std::span<engine::Job* const> ended) noexcept {
  // What the prefix cache keeps of a prompt may still be under way. Then it is read from a cache that goes now.
  if (prefixes && !ended.empty()) prefixes->wait(context);
  Requests requests;  // the last pointers to them go when the lock is free
  for (engine::Job* job : ended) {
    requests.splice(requests.end(), running, find_running(job));
    requests.back()->settle();
    requests.back()->log_end();
  }
  // Whoever sees that a request is done finds its place in the queue free.
  std::unique_lock lock(mutex);
  num_live -= std::ssize(ended);
  for (const RequestPointer& request : requests) {
    const auto key = keys.find(request->options.key);
    if (--key->second.num_live == 0) keys.erase(key);
    request->publish();
  }
  changed.notify_all();
  lock.unlock();
  for (const RequestPointer& request : requests) request->report();
}

void Engine::Impl::count(const engine::PassReport& report) noexcept {
  const std::lock_guard lock(mutex);
  EngineCounters& c = counters;
  if (report.has_run()) ++c.passes;
  c.pass_seconds += report.ms / 1000;
  c.canvas_rows += report.canvases * config().canvas_length;
  c.prompt_rows += report.prompt_rows;
  c.committed_rows += report.committed_rows;
  c.canvases += std::ssize(report.committed);
  for (const int64_t steps : report.committed) c.denoising_steps += steps;
  for (engine::Job* job : report.begun) {
    ++c.begun;
    c.wait_seconds += engine::to_seconds(job->begun_at - (*find_running(job))->submitted_at);
  }
  for (engine::Job* job : report.first_canvases) {
    ++c.had_first_canvas;
    c.first_canvas_seconds += engine::to_seconds(job->first_canvas_at - (*find_running(job))->submitted_at);
  }
  for (engine::Job* job : report.ended) ++(c.*ending_of(*job));
  note_memory();
}

// Called with the mutex held.
void Engine::Impl::note_memory() {
  EngineCounters& c = counters;
  c.cache_bytes = c.running = 0;
  for (engine::Job* job : loop->jobs()) {
    if (!job->is_admitted) continue;
    ++c.running;
    c.cache_bytes += job->generation.sequence().cache.num_bytes();
  }
  if (!prefixes) return;
  c.prefix_bytes = prefixes->num_bytes();
  c.prefix_hits = prefixes->counters().hits;
  c.prefix_misses = prefixes->counters().misses;
  c.prefix_hit_tokens = prefixes->counters().hit_tokens;
}

void Engine::Impl::check_not_in_callback(const char* call) const {
  if (driver == std::this_thread::get_id()) {
    throw BusyError(concat(call, ": the engine is busy: the call comes from one of its callbacks"));
  }
}

EngineCounters Engine::Impl::snapshot() const {
  const std::lock_guard lock(mutex);
  EngineCounters copy = counters;
  copy.waiting = num_live - copy.running;
  return copy;
}

void Engine::Impl::forget_prefixes() {
  {
    const std::lock_guard lock(mutex);
    forgets_prefixes = true;
    changed.notify_all();
  }
  if (has_thread() || driver == std::this_thread::get_id()) return;
  const std::unique_lock lock(driving, std::try_to_lock);
  if (lock.owns_lock()) forget_if_asked();
}

void Engine::Impl::forget_if_asked() {
  if (!forgets_prefixes.exchange(false) || !prefixes) return;
  prefixes->clear(context);
  const std::lock_guard lock(mutex);
  note_memory();
}

}  // namespace gesso
