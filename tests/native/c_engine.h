// An engine as programs in C hold it.
#pragma once

#include <vector>

#include "c_model.h"

namespace gesso::test {

// An engine, and the options of its requests: two canvases of three steps.
struct Serving {
  explicit Serving(int64_t has_thread = 0, int64_t max_queued = 1024, int64_t memory_bytes = int64_t{1} << 30) {
    REQUIRE(gesso_options_init(&generation, sizeof generation) == GESSO_OK);
    generation.max_new_tokens = gesso_model_canvas_length(loaded.model) + 1;
    generation.max_denoising_steps = 3;
    REQUIRE(gesso_request_options_init(&options, sizeof options) == GESSO_OK);
    options.generation = &generation;
    gesso_engine_options engine_options;
    REQUIRE(gesso_engine_options_init(&engine_options, sizeof engine_options) == GESSO_OK);
    engine_options.max_running = 1;
    engine_options.max_queued = max_queued;
    engine_options.has_thread = has_thread;
    engine_options.memory_bytes = memory_bytes;
    REQUIRE(gesso_engine_create(loaded.model, &engine_options, &engine) == GESSO_OK);
  }
  ~Serving() {
    for (gesso_request* request : requests) gesso_request_free(request);
    gesso_engine_free(engine);
  }

  gesso_status try_submit(gesso_request** request) {
    return gesso_engine_submit(engine, kPrompt, 3, &options, request);
  }

  gesso_request* submit() {
    gesso_request* request = nullptr;
    REQUIRE(try_submit(&request) == GESSO_OK);
    requests.push_back(request);
    return request;
  }

  gesso_counters counters() const {
    gesso_counters counters;
    REQUIRE(gesso_engine_counters(engine, &counters, sizeof counters) == GESSO_OK);
    return counters;
  }

  Loaded loaded;
  gesso_engine* engine = nullptr;
  gesso_options generation;
  gesso_request_options options;
  std::vector<gesso_request*> requests;
};

}  // namespace gesso::test
