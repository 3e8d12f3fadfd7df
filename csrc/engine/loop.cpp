#include "engine/loop.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/log.h"
#include "model/denoise.h"
#include "ops/memory.h"

namespace gesso::engine {
namespace {

// For example "a pass took 23.4 ms: 3 canvases, 120 tokens of prompts; canvases that are done now took 7, 12 steps".
std::string text_of(const PassReport& report) {
  std::string text =
      concat("a pass took ", time_text(report.ms / 1000), ": ", count_text(report.canvases, "canvas", "canvases"));
  if (report.prompt_rows > 0) text += concat(", ", count_text(report.prompt_rows, "token"), " of prompts");
  if (report.committed_rows > 0)
    text += concat(", ", count_text(report.committed_rows, "token"), " of earlier canvases");
  const char* separator = "; canvases that are done now took ";
  for (const int64_t steps : report.committed) {
    text += concat(separator, steps);
    separator = ", ";
  }
  return report.committed.empty() ? text : text + " steps";
}

}  // namespace

Loop::Loop(const model::PassContext& pass, int64_t max_slots, int64_t memory_bytes, PrefixCache* prefixes)
    : pass_(pass),
      slots_(std::min(max_slots, pass.memory.rows_per_kind() / pass.config.canvas_length)),
      memory_bytes_(memory_bytes),
      sharing_(pass_, prefixes),
      memory_(pass.context, pass.config, slots_) {}

void Loop::add(Job& job) {
  if (jobs_.size() == jobs_.capacity()) jobs_.reserve(2 * jobs_.size() + 1);
  // A job that ends finds its room here, so nothing can hinder it.
  ended_.clear();
  ended_.reserve(jobs_.capacity());
  keys_.enter(job.key);
  job.order = num_added_++;
  jobs_.push_back(&job);
}

bool Loop::is_wanted(Clock::time_point now) const {
  return std::any_of(jobs_.begin(), jobs_.end(),
                     [&](const Job* job) { return job->has_slot && !job->is_cancelled() && !job->is_late(now); });
}

PassReport Loop::run_pass() noexcept {
  const Clock::time_point start = Clock::now();
  report_ = {};
  ended_.clear();
  try {
    end_unwanted();
    run(plan());
    drop_ended_canvases();
  } catch (const Interrupted&) {
    ops::wait_for_leftovers(pass_.context);
    report_.was_interrupted = true;
  } catch (...) {
    ops::wait_for_leftovers(pass_.context);
    while (!jobs_.empty()) end(*jobs_.front(), std::current_exception());
    canvases_.clear();
  }
  report_.ended = ended_;
  report_.ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  if (report_.has_run()) log_message(LogLevel::kDebug, [&] { return text_of(report_); });
  return std::move(report_);
}

std::span<Job* const> Loop::stop() noexcept {
  ended_.clear();
  while (!jobs_.empty()) {
    Job& job = *jobs_.front();
    try {
      job.generation.commit();
      if (!job.generation.is_done()) job.generation.end(FinishReason::kCancelled);
      end(job);
    } catch (...) {
      end(job, std::current_exception());
    }
  }
  canvases_.clear();
  return ended_;
}

void Loop::end_unwanted() {
  const Clock::time_point now = Clock::now();
  for (Job* job : std::vector(jobs_)) {
    if (!job->is_cancelled() && !job->is_late(now)) continue;
    if (!job->is_cancelled() && job->generation.num_canvases() == 0) {
      end(*job, std::make_exception_ptr(DeadlineExceeded("the deadline passed before the first canvas was done")));
    } else {
      job->generation.end(job->is_cancelled() ? FinishReason::kCancelled : FinishReason::kDeadline);
      end(*job);
    }
  }
  drop_ended_canvases();  // before others take their rows
}

std::vector<Entry> Loop::entries() {
  sharing_.note_waiting(jobs_);
  std::vector<Entry> all;
  for (const Job* job : jobs_) {
    const diffusion::Generation& g = job->generation;
    all.push_back({.order = job->order,
                   .priority = job->priority,
                   .key = job->key,
                   .served = keys_.served(job->key),
                   .num_canvases = g.num_canvases(),
                   .pending = std::ssize(g.sequence().pending()),
                   .cache_bytes = job->cache_bytes,
                   .is_admitted = job->is_admitted,
                   .has_stepped = g.has_stepped(),
                   .is_in_canvas = g.is_in_canvas(),
                   .must_wait = job->must_wait});
  }
  return all;
}

Room Loop::room() const {
  int64_t free_bytes = memory_bytes_;
  for (const Job* job : jobs_) free_bytes -= job->is_admitted ? job->cache_bytes : 0;
  return {slots_, pass_.config.canvas_length, pass_.memory.rows_per_kind(), pass_.memory.max_rows(), free_bytes};
}

// Jobs begin one by one, because each may find in the prefix cache what it needs, or give another one cause to wait.
Plan Loop::plan() {
  for (;;) {
    Plan plan = plan_pass(entries(), room());
    const auto first =
        std::find_if(plan.slots.begin(), plan.slots.end(), [&](size_t i) { return !jobs_[i]->is_admitted; });
    if (first != plan.slots.end()) {
      begin(*jobs_[*first]);
      continue;
    }
    for (Job* job : jobs_) job->has_slot = false;
    for (const size_t i : plan.slots) jobs_[i]->has_slot = true;
    return plan;
  }
}

void Loop::begin(Job& job) {
  model::Sequence& sequence = job.generation.sequence();
  job.is_admitted = job.has_slot = true;
  job.begun_at = Clock::now();
  report_.begun.push_back(&job);
  try {
    sequence.cache.reserve(pass_.context, std::ssize(sequence.ids));
    sharing_.begin(job);
  } catch (...) {
    end(job, std::current_exception());
  }
}

void Loop::run(const Plan& plan) {
  if (plan.parts.empty() || !make_room(plan.parts)) return;
  std::vector<Job*> all;
  for (const Part& part : plan.parts) all.push_back(jobs_[part.entry]);
  try {
    compute(plan.parts);
  } catch (const Interrupted&) {
    throw;
  } catch (...) {
    ops::wait_for_leftovers(pass_.context);
    for (Job* job : all) end(*job, std::current_exception());
  }
}

// A job whose cache cannot grow ends alone, before the pass. Then the pass is planned anew.
bool Loop::make_room(const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    Job& job = *jobs_[part.entry];
    try {
      if (part.text_rows > 0) job.generation.sequence().cache.make_room(pass_.context, part.text_rows);
    } catch (const OutOfMemory&) {
      return end(job, std::current_exception()), false;
    }
  }
  return true;
}

void Loop::compute(const std::vector<Part>& parts) {
  std::vector<model::DenoiseRequest> requests;
  std::vector<model::EncodeRequest> slices;
  std::vector<Text> texts;
  std::vector<Job*> stepping = canvases_;
  int64_t prompt_rows = 0, committed_rows = 0;
  for (const Part& part : parts) {
    Job* job = jobs_[part.entry];
    model::Sequence& sequence = job->generation.sequence();
    if (part.has_step && !job->generation.is_in_canvas()) stepping.push_back(job);
    if (part.text_rows > 0) texts.push_back({job, sequence.cache.length()});
    if (!part.has_step) slices.push_back({&sequence.cache, sequence.pending().first(part.text_rows)});
    keys_.serve(job->key, part.text_rows + (part.has_step ? pass_.config.canvas_length : 0));
    (job->generation.has_stepped() ? committed_rows : prompt_rows) += part.text_rows;
  }
  head_rows_.clear();
  for (Job* job : stepping) {
    requests.push_back(job->generation.request());
    job->generation.append_head_rows(head_rows_);
  }
  model::CacheRollback rollback;
  for (const Text& text : texts) rollback.add(text.job->generation.sequence().cache);
  pass_.context.poll();
  model::step(pass_, requests, slices, memory_.canvas_rows(head_rows_));
  if (stepping.empty()) {
    ops::synchronize(pass_.context);
  } else {
    memory_.read_back(pass_.context);
  }
  rollback.release();

  report_.canvases = std::ssize(stepping);
  report_.prompt_rows = prompt_rows;
  report_.committed_rows = committed_rows;
  canvases_ = stepping;
  for (size_t i = 0; i < stepping.size(); ++i) check_finite(*stepping[i], requests[i], i);
  for (const Text& text : texts) sharing_.keep(*text.job, text.from);
  for (size_t i = 0; i < stepping.size(); ++i) {
    if (!stepping[i]->has_ended) finish_step(*stepping[i], i);
  }
}

void Loop::check_finite(Job& job, const model::DenoiseRequest& request, int64_t row) {
  const std::span<const float> entropies = memory_.statistics(row).entropies;
  const auto broken = std::find_if(entropies.begin(), entropies.end(), [](float x) { return !std::isfinite(x); });
  if (broken == entropies.end()) return;
  const int64_t length = pass_.config.canvas_length;
  const Matrix soft_embedding = memory_.canvas_rows(head_rows_).soft_embedding.row_range(row * length, length);
  const NumericsError error =
      job.generation.find_not_finite(pass_, request, soft_embedding, broken - entropies.begin());
  job.generation.sequence().cache.rewind(job.generation.sequence().cache.length() - std::ssize(request.text));
  end(job, std::make_exception_ptr(error));
}

void Loop::finish_step(Job& job, int64_t row) {
  try {
    diffusion::Generation& g = job.generation;
    if (!g.finish_step(memory_.statistics(row))) return;
    g.commit();
    report_.committed.push_back(g.result().denoising_steps.back());
    if (g.num_canvases() == 1) {
      job.first_canvas_at = Clock::now();
      report_.first_canvases.push_back(&job);
    }
    if (g.is_done()) return end(job);
    g.sequence().cache.reserve(pass_.context, std::ssize(g.sequence().ids));
  } catch (...) {
    end(job, std::current_exception());
  }
}

void Loop::end(Job& job, std::exception_ptr error) noexcept {
  if (job.has_ended) return;
  job.has_ended = true;
  job.has_slot = false;
  job.error = std::move(error);
  keys_.leave(job.key);
  jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
  ended_.push_back(&job);
}

// Row i * C + c of a pass is position c of its canvas i. So the soft embeddings of the canvases that go on move
// together.
void Loop::drop_ended_canvases() {
  size_t kept = 0;
  for (size_t i = 0; i < canvases_.size(); ++i) {
    if (canvases_[i]->has_ended || !canvases_[i]->generation.is_in_canvas()) continue;
    memory_.move_soft_embedding(pass_.context, i, kept);
    canvases_[kept++] = canvases_[i];
  }
  canvases_.resize(kept);
}

}  // namespace gesso::engine
