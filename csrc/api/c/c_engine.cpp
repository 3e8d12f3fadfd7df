#include <cstddef>
#include <limits>
#include <utility>

#include "api/c/c_options.h"
#include "api/c/c_request.h"
#include "api/c/c_session.h"
#include "api/c/c_status.h"
#include "api/c/sized_struct.h"

struct gesso_engine {
  gesso::Engine engine;
  gesso::Model model;
};

namespace {

using gesso::check;
using gesso::init_struct;
using gesso::read_struct;
using gesso::c::check_pointer;
using gesso::c::copy_prompt;
using gesso::c::guarded;
using gesso::c::to_wait;

// Structs of the first version end with these fields. Later ones are longer, and never shorter.
constexpr size_t kFirstEngineOptionsSize = offsetof(gesso_engine_options, has_thread) + sizeof(int64_t);
constexpr size_t kFirstRequestOptionsSize = offsetof(gesso_request_options, user_data) + sizeof(void*);
constexpr size_t kRequestOptionsSize = offsetof(gesso_request_options, keep_events) + sizeof(int64_t);
constexpr size_t kFirstCountersSize = offsetof(gesso_counters, prefix_hit_tokens) + sizeof(int64_t);
// Bytes behind the last field would hide a field that a later version has there.
static_assert(sizeof(gesso_engine_options) == kFirstEngineOptionsSize, "fill it up with a reserved field");
static_assert(sizeof(gesso_request_options) == kRequestOptionsSize, "fill it up with a reserved field");
static_assert(sizeof(gesso_counters) == kFirstCountersSize, "fill it up with a reserved field");

gesso_engine_options default_engine_options() {
  const gesso::EngineOptions o;
  return {sizeof(gesso_engine_options), o.max_running, o.max_queued, o.memory_bytes, o.prefix_bytes, o.has_thread};
}

gesso::EngineOptions to_engine_options(const gesso_engine_options* options) {
  const gesso_engine_options o =
      read_struct("gesso_engine_options", options, default_engine_options(), kFirstEngineOptionsSize);
  return {.max_running = o.max_running,
          .max_queued = o.max_queued,
          .memory_bytes = o.memory_bytes,
          .prefix_bytes = o.prefix_bytes,
          .has_thread = gesso::c::to_bool("gesso_engine_options.has_thread", o.has_thread)};
}

gesso_request_options default_request_options() {
  gesso_request_options options = {};
  options.struct_size = sizeof options;
  return options;
}

using CanvasCallback = std::function<bool(const gesso::CanvasEvent&)>;

// A request may have two callbacks for canvases: its own, and that of its generation's options.
CanvasCallback to_canvas_callback(const gesso_request_options& options, CanvasCallback of_generation) {
  if (!options.on_canvas) return of_generation;
  return [on_canvas = options.on_canvas, user_data = options.user_data,
          of_generation = std::move(of_generation)](const gesso::CanvasEvent& event) {
    const bool goes_on = on_canvas(user_data, event.canvas, event.denoising_steps, event.finished, event.ids.data(),
                                   event.ids.size()) != 0;
    return (!of_generation || of_generation(event)) && goes_on;
  };
}

gesso::RequestOptions to_request_options(const gesso_request_options* options, const gesso::ModelConfig& config) {
  const gesso_request_options o =
      read_struct("gesso_request_options", options, default_request_options(), kFirstRequestOptionsSize);
  using Priority = std::numeric_limits<int>;
  check(o.priority >= Priority::min() && o.priority <= Priority::max(),
        "gesso_request_options.priority: expected an integer from ", Priority::min(), " to ", Priority::max(), ", got ",
        o.priority);
  gesso::RequestOptions out;
  out.generation = gesso::c::to_options(o.generation, config, 1);
  out.generation.on_canvas = to_canvas_callback(o, std::move(out.generation.on_canvas));
  if (o.deadline != 0) out.deadline = o.deadline;
  out.priority = static_cast<int>(o.priority);
  if (o.key) out.key = o.key;
  out.keep_events = gesso::c::to_bool("gesso_request_options.keep_events", o.keep_events);
  return out;
}

// A callback of the request may free the engine before `submit_to` returns, so nothing of the handle is used behind it.
template <typename Submit>
gesso_request* submit(const gesso_engine& engine, const gesso_request_options* options, const Submit& submit_to) {
  const gesso::RequestOptions chosen = to_request_options(options, engine.model.config());
  std::optional<gesso::Tokenizer> tokenizer = engine.model.tokenizer();
  return new gesso_request{submit_to(chosen), std::move(tokenizer)};
}

gesso_request* submit(gesso_engine& engine, std::vector<int32_t> prompt, const gesso_request_options* options) {
  return submit(engine, options,
                [&](const gesso::RequestOptions& chosen) { return engine.engine.submit(std::move(prompt), chosen); });
}

gesso_counters to_counters(const gesso::EngineCounters& c) {
  return {.struct_size = sizeof(gesso_counters),
          .passes = c.passes,
          .canvas_rows = c.canvas_rows,
          .prompt_rows = c.prompt_rows,
          .committed_rows = c.committed_rows,
          .canvases = c.canvases,
          .denoising_steps = c.denoising_steps,
          .submitted = c.submitted,
          .refused = c.refused,
          .stopped = c.stopped,
          .full_length = c.full_length,
          .cancelled = c.cancelled,
          .late = c.late,
          .exceeded = c.exceeded,
          .failed = c.failed,
          .waiting = c.waiting,
          .running = c.running,
          .wait_seconds = c.wait_seconds,
          .first_canvas_seconds = c.first_canvas_seconds,
          .begun = c.begun,
          .had_first_canvas = c.had_first_canvas,
          .pass_seconds = c.pass_seconds,
          .cache_bytes = c.cache_bytes,
          .prefix_bytes = c.prefix_bytes,
          .prefix_hits = c.prefix_hits,
          .prefix_misses = c.prefix_misses,
          .prefix_hit_tokens = c.prefix_hit_tokens};
}

}  // namespace

gesso_status gesso_engine_options_init(gesso_engine_options* options, size_t struct_size) {
  return guarded([&] {
    init_struct("gesso_engine_options", options, struct_size, default_engine_options(), kFirstEngineOptionsSize);
  });
}

gesso_status gesso_request_options_init(gesso_request_options* options, size_t struct_size) {
  return guarded([&] {
    init_struct("gesso_request_options", options, struct_size, default_request_options(), kFirstRequestOptionsSize);
  });
}

gesso_status gesso_engine_create(const gesso_model* model, const gesso_engine_options* options, gesso_engine** out) {
  return guarded([&] {
    check_pointer(model, "model");
    check_pointer(out, "out");
    *out = new gesso_engine{gesso::Engine(model->model, to_engine_options(options)), model->model};
  });
}

void gesso_engine_free(gesso_engine* engine) { delete engine; }

gesso_status gesso_engine_submit(gesso_engine* engine, const int32_t* prompt, size_t prompt_length,
                                 const gesso_request_options* options, gesso_request** out) {
  return guarded([&] {
    check_pointer(engine, "engine");
    check_pointer(out, "out");
    *out = submit(*engine, copy_prompt(prompt, prompt_length), options);
  });
}

gesso_status gesso_engine_submit_text(gesso_engine* engine, const char* prompt, const gesso_request_options* options,
                                      gesso_request** out) {
  return guarded([&] {
    check_pointer(engine, "engine");
    check_pointer(prompt, "prompt");
    check_pointer(out, "out");
    *out = submit(*engine, gesso::c::prompt_ids(engine->model, prompt), options);
  });
}

gesso_status gesso_engine_submit_session(gesso_engine* engine, gesso_session* session, const int32_t* ids,
                                         size_t num_ids, const gesso_request_options* options, gesso_request** out) {
  return guarded([&] {
    check_pointer(engine, "engine");
    check_pointer(session, "session");
    check_pointer(out, "out");
    *out = submit(*engine, options, [&](const gesso::RequestOptions& chosen) {
      return engine->engine.submit(session->session, gesso::c::copy_list("ids", ids, num_ids), chosen);
    });
  });
}

int64_t gesso_engine_max_running(const gesso_engine* engine) { return engine ? engine->engine.max_running() : 0; }

gesso_status gesso_engine_run_once(gesso_engine* engine, int* has_run) {
  return guarded([&] {
    check_pointer(engine, "engine");
    const bool ran = engine->engine.run_once();
    if (has_run) *has_run = ran;
  });
}

gesso_status gesso_engine_drain(gesso_engine* engine, double seconds, int* done) {
  return guarded([&] {
    check_pointer(engine, "engine");
    const bool is_done = engine->engine.drain(to_wait(seconds));
    if (done) *done = is_done;
  });
}

gesso_status gesso_engine_close(gesso_engine* engine) {
  return guarded([&] {
    check_pointer(engine, "engine");
    engine->engine.close();
  });
}

gesso_status gesso_engine_close_within(gesso_engine* engine, double seconds, int* done) {
  return guarded([&] {
    check_pointer(engine, "engine");
    const bool is_done = engine->engine.close(to_wait(seconds));
    if (done) *done = is_done;
  });
}

gesso_status gesso_engine_forget_prefixes(gesso_engine* engine) {
  return guarded([&] {
    check_pointer(engine, "engine");
    engine->engine.forget_prefixes();
  });
}

gesso_status gesso_engine_counters(const gesso_engine* engine, gesso_counters* counters, size_t struct_size) {
  return guarded([&] {
    check_pointer(engine, "engine");
    init_struct("gesso_counters", counters, struct_size, to_counters(engine->engine.counters()), kFirstCountersSize);
  });
}
