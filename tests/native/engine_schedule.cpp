#include "engine_schedule.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "random_request.h"
#include "tiny_checkpoint.h"

namespace gesso::tests {
namespace {

// A request that is to be submitted, or was.
struct Planned {
  RandomRequest request;
  int64_t submit_at = 0, cancel_at = -1;  // before which pass
  std::optional<size_t> session;
  Ids before;  // the session's tokens when it was submitted
  std::optional<Request> handle;
  bool is_refused = false;
};

class Schedule {
 public:
  Schedule(const Model& model, uint64_t number, ScheduleCounts& counts)
      : model_(model),
        config_(model.config()),
        random_(number),
        counts_(counts),
        texts_(random_texts(random_, config_)) {
    for (int64_t i = random_.below(4); i > 0; --i) sessions_.push_back(new_session());
    for (int64_t i = 2 + random_.below(9); i > 0; --i) planned_.push_back(plan());
    options_.has_thread = false;
    options_.max_running = random_.pick<int64_t>({0, 0, 1, 2, 3, 5});
    options_.max_queued = random_.pick<int64_t>({1024, 1024, 3, 1});
    options_.prefix_bytes = random_.pick<int64_t>({0, 20000, 60000, 1 << 24, 1 << 24});
    // Enough for one large request, or for two, or for all.
    options_.memory_bytes = random_.pick<int64_t>({1, 2, 100}) * largest_cache() / random_.pick<int64_t>({1, 1, 2});
  }

  std::string run(const std::function<void(bool)>& runs_alone) {
    if (runs_alone) runs_alone(false);
    Engine engine(model_, options_);
    int64_t pass = 0;
    for (bool is_over = false; !is_over; ++pass) {
      is_over = submit_due(engine, pass);
      for (Planned& planned : planned_) {
        if (planned.handle && planned.cancel_at >= 0 && planned.cancel_at <= pass) planned.handle->cancel();
      }
      if (random_.chance(2)) engine.forget_prefixes();
      is_over = !engine.run_once() && is_over;
      if (pass > 20000) return "the engine does not come to an end";
    }
    std::string problem = check_counters(engine);
    if (problem.empty()) problem = check_sessions();
    if (runs_alone) runs_alone(true);
    for (size_t i = 0; i < planned_.size() && problem.empty(); ++i) problem = check(planned_[i], i);
    return problem;
  }

 private:
  Session new_session() {
    Session session(model_);
    const int64_t length = random_.below(3 * config_.canvas_length);
    const Ids& text = texts_[0];
    if (length > 0) session.encode({Ids(text.begin(), text.begin() + length)});
    return session;
  }

  Planned plan() {
    Planned planned;
    if (!sessions_.empty() && random_.chance(35)) planned.session = random_.below(std::ssize(sessions_));
    planned.request = random_request(random_, config_, texts_, 0);
    RequestOptions& options = planned.request.options;
    options.priority = static_cast<int>(random_.pick<int64_t>({0, 0, 0, 1, -1}));
    options.key = std::string(1, static_cast<char>('a' + random_.below(3)));
    options.keep_events = random_.chance(20);
    if (random_.chance(10)) options.deadline = random_.pick<double>({1e-9, 0.002, 0.01, 60.0});
    planned.submit_at = random_.chance(50) ? 0 : random_.below(30);
    if (random_.chance(20)) planned.cancel_at = planned.submit_at + random_.below(12);
    return planned;
  }

  int64_t largest_cache() const {
    int64_t most = 0;
    for (const Planned& planned : planned_) {
      most = std::max<int64_t>(most, std::ssize(planned.request.ids) + 3 * config_.canvas_length);
    }
    return cache_bytes(config_, most + 64);
  }

  // Returns whether all have been submitted.
  bool submit_due(Engine& engine, int64_t pass) {
    bool are_all = true;
    for (Planned& planned : planned_) {
      if (planned.handle || planned.is_refused) continue;
      if (planned.submit_at <= pass) submit(engine, planned);
      are_all = are_all && (planned.handle || planned.is_refused);
    }
    return are_all;
  }

  // A session that is busy, and a queue that is full, leave the request for the next pass.
  void submit(Engine& engine, Planned& planned) {
    const RequestOptions options = planned.request.traced_options();
    try {
      if (planned.session) {
        Session& session = sessions_[*planned.session];
        planned.before = session.ids(0);
        planned.handle = engine.submit(session, planned.request.ids, options);
        turns_.push_back(&planned);
        ++counts_.session_requests;
      } else {
        planned.handle = engine.submit(planned.request.ids, options);
      }
      ++counts_.requests;
    } catch (const BusyError&) {
    } catch (const QueueFull&) {
      ++counts_.refused;
      if (planned.session && sessions_[*planned.session].ids(0) != planned.before) problem_ = "a refusal changed ids";
    } catch (const OutOfMemory&) {
      ++counts_.too_large;
      planned.is_refused = true;
    } catch (const ArgumentError&) {  // the session has become too long
      planned.is_refused = true;
    }
  }

  // A session has what it had, what was appended, and what was generated. After an error it is as before.
  std::string check_sessions() {
    std::vector<std::optional<Ids>> expected(sessions_.size());
    for (const Planned* turn : turns_) {
      std::optional<Ids>& ids = expected[*turn->session];
      if (ids && *ids != turn->before) return "a session has other tokens than its requests have given it";
      ids = turn->before;
      const Outcome got = outcome_of(*turn->handle, turn->request);
      if (!got.error.empty()) continue;
      ids->insert(ids->end(), turn->request.ids.begin(), turn->request.ids.end());
      if (got.result.prompt != *ids) return "the prompt of a session's request is not its tokens";
      ids->insert(ids->end(), got.result.ids.begin(), got.result.ids.end());
    }
    for (size_t i = 0; i < sessions_.size(); ++i) {
      if (expected[i] && sessions_[i].ids(0) != *expected[i]) return "a session has other tokens at the end";
    }
    return "";
  }

  std::string check(Planned& planned, size_t index) {
    if (!planned.handle) return "";
    const Outcome got = outcome_of(*planned.handle, planned.request);
    const Outcome alone = run_alone(model_, planned.request, planned.before);
    count(got);
    const std::string difference =
        compare(got, alone, planned.cancel_at >= 0, planned.request.options.deadline.has_value());
    if (difference.empty()) return "";
    return "request " + std::to_string(index) + (planned.session ? " of a session" : "") + ": " + difference;
  }

  void count(const Outcome& got) {
    if (got.error == "DeadlineExceeded") {
      ++counts_.exceeded;
    } else if (!got.error.empty()) {
      ++counts_.failed;
    } else if (got.result.finish_reason == FinishReason::kCancelled) {
      ++counts_.cancelled;
      if (!got.result.canvases.empty()) ++counts_.cut_short;
    } else if (got.result.finish_reason == FinishReason::kDeadline) {
      ++counts_.late;
    } else {
      ++counts_.whole;
    }
  }

  std::string check_counters(Engine& engine) {
    EngineCounters c = engine.counters();
    counts_.passes += c.passes;
    counts_.prefix_hits += c.prefix_hits;
    counts_.mixed_rows += c.prompt_rows + c.committed_rows;
    const int64_t ended = c.stopped + c.full_length + c.cancelled + c.late + c.exceeded + c.failed;
    int64_t submitted = 0, num_canvases = 0, num_steps = 0;
    for (const Planned& planned : planned_) {
      if (!planned.handle) continue;
      ++submitted;
      if (!planned.handle->is_done()) return "a request has not ended";
    }
    if (c.submitted != submitted || ended != submitted) return "the counters of requests do not add up";
    if (c.waiting != 0 || c.running != 0) return "requests wait or run in an engine that is idle";
    if (c.cache_bytes != 0) return "an idle engine holds caches";
    if (c.prefix_bytes > std::max<int64_t>(options_.prefix_bytes, 0)) return "the prefixes exceed their bytes";
    for (const Planned& planned : planned_) {
      if (!planned.handle) continue;
      num_steps += planned.request.trace->num_steps;
      const Outcome got = outcome_of(*planned.handle, planned.request);
      num_canvases += std::ssize(got.result.canvases);
    }
    if (c.canvas_rows != num_steps * config_.canvas_length) return "the counter of canvas rows is wrong";
    if (c.canvases < num_canvases) return "the counter of canvases is too small";
    engine.forget_prefixes();
    if (engine.counters().prefix_bytes != 0) return "an engine that has forgotten its prefixes holds some";
    return problem_;
  }

  const Model& model_;
  const ModelConfig& config_;
  Random random_;
  ScheduleCounts& counts_;
  std::vector<Ids> texts_;
  std::vector<Session> sessions_;
  std::vector<Planned> planned_;
  std::vector<const Planned*> turns_;  // the requests of sessions, in the order in which they were submitted
  EngineOptions options_;
  std::string problem_;
};

}  // namespace

void ScheduleCounts::add(const ScheduleCounts& other) {
  for (int64_t ScheduleCounts::*count :
       {&ScheduleCounts::requests, &ScheduleCounts::session_requests, &ScheduleCounts::refused,
        &ScheduleCounts::too_large, &ScheduleCounts::whole, &ScheduleCounts::cancelled, &ScheduleCounts::late,
        &ScheduleCounts::exceeded, &ScheduleCounts::failed, &ScheduleCounts::cut_short, &ScheduleCounts::prefix_hits,
        &ScheduleCounts::passes, &ScheduleCounts::mixed_rows}) {
    this->*count += other.*count;
  }
}

std::string run_schedule(const Model& model, uint64_t number, ScheduleCounts& counts,
                         const std::function<void(bool)>& runs_alone) {
  return Schedule(model, number, counts).run(runs_alone);
}

std::vector<Model> schedule_models(const std::string& device, int num_threads, const std::string& golden_model) {
  TinySizes short_canvases, long_canvases, full_only;
  short_canvases.context = long_canvases.context = full_only.context = 500;
  long_canvases.canvas = 32;
  long_canvases.window = 40;
  long_canvases.is_sliding = {1, 0};
  full_only.canvas = 13;
  full_only.is_sliding = {0, 0};
  std::vector<Model> models;
  for (const TinySizes& sizes : {short_canvases, long_canvases, full_only}) {
    models.emplace_back(TinyCheckpoint(sizes).get(), LoadOptions{device, num_threads});
  }
  const std::string path = golden_model.empty() ? GESSO_MODEL : golden_model;
  models.push_back(Model::load(path, LoadOptions{device, num_threads}));  // weights in blocks of many types
  return models;
}

}  // namespace gesso::tests
