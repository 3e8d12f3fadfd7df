// The engine in C: its statuses, its structs, and what callbacks may do.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "c_engine.h"
#include "gesso/error.h"
#include "gesso/gesso.h"

namespace {

using gesso::test::kPrompt;
using gesso::test::Loaded;
using gesso::test::said;
using gesso::test::Serving;
using Ids = std::vector<int32_t>;

// A copy of what the result has.
struct Outcome {
  explicit Outcome(const gesso_request* request) {
    gesso_result* result = nullptr;
    status = gesso_request_result(request, &result);
    if (status != GESSO_OK) return;
    reason = gesso_result_finish_reason(result);
    size_t count = 0;
    const int32_t* first = gesso_result_ids(result, &count);
    ids.assign(first, first + count);
    num_canvases = gesso_result_num_canvases(result);
    CHECK(gesso_result_prompt_tokens(result) == 3);
    CHECK(gesso_result_cached_tokens(result) == 0);
    CHECK(gesso_result_completion_tokens(result) == static_cast<int64_t>(count));
    gesso_result_free(result);
  }
  gesso_status status;
  std::string reason;
  Ids ids;
  int64_t num_canvases = 0;
};

// What a callback of a step does, at its first call.
struct AtStep {
  Serving* serving = nullptr;
  gesso_request* request = nullptr;
  void (*act)(AtStep& self) = nullptr;
  gesso_status status = GESSO_OK;
  int num_calls = 0;
};

int call_at_step(void* user_data, int64_t, int64_t, const int32_t*, const uint8_t*, size_t) {
  auto& self = *static_cast<AtStep*>(user_data);
  if (self.num_calls++ == 0) self.act(self);
  return 1;
}

int throw_busy(void*, int64_t, int64_t, const int32_t*, const uint8_t*, size_t) { throw gesso::BusyError("as asked"); }

struct Canvases {
  std::vector<Ids> ids;
  int64_t steps = 0;
  int go_on = 1;
};

int note_canvas(void* user_data, int64_t canvas, int64_t denoising_steps, int finished, const int32_t* ids,
                size_t length) {
  auto& self = *static_cast<Canvases*>(user_data);
  CHECK(canvas == std::ssize(self.ids));
  CHECK(finished == 0);
  self.ids.emplace_back(ids, ids + length);
  self.steps += denoising_steps;
  return self.go_on;
}

}  // namespace

TEST_CASE("a request of C writes what gesso_generate writes, with a thread and without") {
  for (const int64_t has_thread : {0, 1}) {
    Serving serving(has_thread);
    REQUIRE(serving.loaded.generate(&serving.generation) == GESSO_OK);
    Canvases canvases;
    serving.options.on_canvas = note_canvas;
    serving.options.user_data = &canvases;
    const gesso_request* request = serving.submit();
    std::memset(&serving.generation, 0x5a, sizeof serving.generation);  // the library has copied it
    std::memset(&serving.options, 0x5a, sizeof serving.options);
    int is_done = 0;
    REQUIRE(gesso_request_wait(request, -1, &is_done) == GESSO_OK);
    CHECK(is_done == 1);
    gesso_result* result = nullptr;
    REQUIRE(gesso_request_result(request, &result) == GESSO_OK);
    CHECK(Outcome(request).ids == serving.loaded.ids);
    CHECK(Outcome(request).reason == "length");
    CHECK(gesso_result_denoising_steps(result) == serving.loaded.num_steps);
    CHECK(canvases.steps == serving.loaded.num_steps);
    REQUIRE(gesso_result_num_canvases(result) == 2);
    for (int64_t i = 0; i < 2; ++i) {
      size_t count = 0;
      const int32_t* ids = gesso_result_canvas(result, i, &count);
      CHECK(canvases.ids[i] == Ids(ids, ids + count));
    }
    size_t count = 7;
    CHECK(gesso_result_canvas(result, 2, &count) == nullptr);
    CHECK(count == 0);
    CHECK(gesso_result_canvas(result, -1, nullptr) == nullptr);
    gesso_result_free(result);
    CHECK(serving.counters().full_length == 1);
    CHECK(serving.counters().denoising_steps == canvases.steps);
  }
}

TEST_CASE("a request of text has text") {
  Loaded loaded(GESSO_BUNDLED_MODEL);
  gesso_options generation;
  REQUIRE(gesso_options_init(&generation, sizeof generation) == GESSO_OK);
  generation.max_new_tokens = 1;
  generation.max_denoising_steps = 1;
  gesso_result* expected = nullptr;
  REQUIRE(gesso_generate_text(loaded.model, "12", &generation, &expected) == GESSO_OK);
  gesso_request_options options;
  REQUIRE(gesso_request_options_init(&options, sizeof options) == GESSO_OK);
  options.generation = &generation;
  gesso_engine* engine = nullptr;
  REQUIRE(gesso_engine_create(loaded.model, nullptr, &engine) == GESSO_OK);
  gesso_request* request = nullptr;
  REQUIRE(gesso_engine_submit_text(engine, "12", &options, &request) == GESSO_OK);
  CHECK(gesso_generate_text(loaded.model, std::string(10'000'000, '1').c_str(), &generation, &expected) ==
        GESSO_ARGUMENT_ERROR);
  gesso_model_free(std::exchange(loaded.model, nullptr));
  gesso_result* result = nullptr;
  REQUIRE(gesso_request_result(request, &result) == GESSO_OK);
  CHECK(gesso_result_text(result) == std::string(gesso_result_text(expected)));
  CHECK(gesso_engine_submit_text(engine, "\xff", &options, &request) == GESSO_ARGUMENT_ERROR);
  const std::string too_long(10'000'000, '1');  // its length alone says so
  CHECK(gesso_engine_submit_text(engine, too_long.c_str(), &options, &request) == GESSO_ARGUMENT_ERROR);
  CHECK(std::string(gesso_last_error()).find("the prompt has at least") != std::string::npos);
  gesso_engine_free(engine);
  gesso_request_free(request);
  gesso_result_free(result);
  gesso_result_free(expected);
}

TEST_CASE("the caller runs the passes of an engine without a thread") {
  Serving serving;
  int has_run = 7, is_done = 7;
  REQUIRE(gesso_engine_run_once(serving.engine, &has_run) == GESSO_OK);
  CHECK(has_run == 0);
  const gesso_request* request = serving.submit();
  CHECK(serving.counters().waiting == 1);
  REQUIRE(gesso_engine_run_once(serving.engine, &has_run) == GESSO_OK);
  CHECK(has_run == 1);
  CHECK(serving.counters().running == 1);
  CHECK(serving.counters().passes == 1);
  REQUIRE(gesso_request_wait(request, 0, &is_done) == GESSO_OK);
  CHECK(is_done == 0);
  REQUIRE(gesso_engine_drain(serving.engine, 0, &is_done) == GESSO_OK);
  CHECK(is_done == 0);
  REQUIRE(gesso_engine_drain(serving.engine, -1, &is_done) == GESSO_OK);
  CHECK(is_done == 1);
  REQUIRE(gesso_request_wait(request, 0, nullptr) == GESSO_OK);
  REQUIRE(gesso_engine_run_once(serving.engine, nullptr) == GESSO_OK);
  CHECK(Outcome(request).num_canvases == 2);
  REQUIRE(gesso_engine_forget_prefixes(serving.engine) == GESSO_OK);
}

TEST_CASE("each refusal of an engine has its status") {
  Serving serving(0, 0);  // nobody may wait
  serving.submit();
  gesso_request* request = nullptr;
  CHECK(serving.try_submit(&request) == GESSO_QUEUE_FULL);
  CHECK(said("max_queued is 0"));
  CHECK(serving.counters().refused == 1);
  REQUIRE(gesso_engine_drain(serving.engine, -1, nullptr) == GESSO_OK);
  for (const auto& [field, value] : {std::pair(&gesso_request_options::priority, int64_t{1} << 31),
                                     std::pair(&gesso_request_options::priority, -(int64_t{1} << 31) - 1)}) {
    gesso_request_options wrong = serving.options;
    wrong.*field = value;
    CHECK(gesso_engine_submit(serving.engine, kPrompt, 3, &wrong, &request) == GESSO_ARGUMENT_ERROR);
    CHECK(said("priority: expected an integer from -2147483648 to 2147483647, got " + std::to_string(value)));
  }
  for (const double seconds : {-1.0, std::nan("")}) {
    gesso_request_options wrong = serving.options;
    wrong.deadline = seconds;
    CHECK(gesso_engine_submit(serving.engine, kPrompt, 3, &wrong, &request) == GESSO_ARGUMENT_ERROR);
    CHECK(said("deadline: expected seconds > 0"));
  }
  CHECK(gesso_engine_submit(serving.engine, kPrompt, 0, nullptr, &request) == GESSO_ARGUMENT_ERROR);
  serving.generation.max_denoising_steps = 0;
  CHECK(serving.try_submit(&request) == GESSO_ARGUMENT_ERROR);
  CHECK(said("max_denoising_steps"));
  serving.generation.max_denoising_steps = 3;
  REQUIRE(gesso_engine_close(serving.engine) == GESSO_OK);
  CHECK(serving.try_submit(&request) == GESSO_ARGUMENT_ERROR);
  CHECK(said("the engine is closed"));
  CHECK(request == nullptr);

  Serving small(0, 1024, 1);
  CHECK(small.try_submit(&request) == GESSO_OUT_OF_MEMORY);
  CHECK(said("memory_bytes"));
  Serving with_thread(1);
  CHECK(gesso_engine_run_once(with_thread.engine, nullptr) == GESSO_ARGUMENT_ERROR);
}

TEST_CASE("a request that an error ended has its status") {
  Serving serving;
  serving.options.deadline = 1e-9;
  const gesso_request* late = serving.submit();
  serving.options.deadline = 0;
  serving.generation.on_step = throw_busy;
  const gesso_request* thrown = serving.submit();
  serving.generation.on_step = nullptr;
  const gesso_request* other = serving.submit();
  for (int i = 0; i < 2; ++i) {  // as often as one asks
    CHECK(Outcome(late).status == GESSO_DEADLINE_EXCEEDED);
    CHECK(said("deadline"));
    CHECK(Outcome(thrown).status == GESSO_BUSY_ERROR);
    CHECK(said("as asked"));
    CHECK(Outcome(other).status == GESSO_OK);
  }
  CHECK(serving.counters().exceeded == 1);
  CHECK(serving.counters().failed == 1);
  CHECK(serving.counters().full_length == 1);
}

TEST_CASE("a canvas callback that returns 0 ends its request, and so does gesso_request_cancel") {
  Serving serving;
  const gesso_request* cancelled = serving.submit();
  CHECK(gesso_request_cancel(cancelled) == GESSO_OK);
  Canvases canvases{.ids = {}, .go_on = 0};
  serving.options.on_canvas = note_canvas;
  serving.options.user_data = &canvases;
  const gesso_request* stopped = serving.submit();
  CHECK(Outcome(cancelled).reason == "cancelled");
  CHECK(Outcome(cancelled).num_canvases == 0);
  CHECK(Outcome(stopped).reason == "cancelled");
  CHECK(Outcome(stopped).num_canvases == 1);
}

TEST_CASE("callbacks of requests may cancel, submit, and free what they use") {
  for (const int64_t has_thread : {0, 1}) {
    Serving serving(has_thread);
    const Ids expected = Outcome(serving.submit()).ids;
    const auto end_with = [&](void (*act)(AtStep&)) {
      AtStep at_step{.serving = &serving, .request = nullptr, .act = act};
      serving.generation.on_step = call_at_step;
      serving.generation.user_data = &at_step;
      const Outcome outcome(serving.submit());
      serving.generation.on_step = nullptr;
      CHECK(at_step.num_calls > 0);
      return std::pair(outcome, at_step);
    };
    // It submits a request, which runs behind this one.
    const auto [submitting, submitted] = end_with([](AtStep& self) {
      self.serving->generation.on_step = nullptr;
      self.status = self.serving->try_submit(&self.request);
    });
    CHECK(submitting.ids == expected);
    REQUIRE(submitted.status == GESSO_OK);
    CHECK(Outcome(submitted.request).ids == expected);
    gesso_request_free(submitted.request);
    // Waiting for another request would be waiting for itself.
    const auto [waiting, waited] = end_with([](AtStep& self) {
      self.serving->generation.on_step = nullptr;
      CHECK(self.serving->try_submit(&self.request) == GESSO_OK);
      self.status = gesso_request_wait(self.request, -1, nullptr);
      CHECK(gesso_engine_drain(self.serving->engine, -1, nullptr) == GESSO_BUSY_ERROR);
      gesso_request_free(self.request);  // it goes on by itself
    });
    CHECK(waiting.ids == expected);
    CHECK(waited.status == GESSO_BUSY_ERROR);
    // It ends every request, also its own.
    const auto [freeing, freed] =
        end_with([](AtStep& self) { gesso_engine_free(std::exchange(self.serving->engine, nullptr)); });
    CHECK(freeing.reason == "cancelled");
    CHECK(freeing.num_canvases == 0);
  }
}

TEST_CASE("a callback frees the engine whose pass the caller runs, and its own request") {
  Serving serving;
  AtStep at_step{.serving = &serving, .request = nullptr, .act = [](AtStep& self) {
                   gesso_engine_free(std::exchange(self.serving->engine, nullptr));
                   gesso_request_free(std::exchange(self.request, nullptr));
                 }};
  serving.generation.on_step = call_at_step;
  serving.generation.user_data = &at_step;
  REQUIRE(serving.try_submit(&at_step.request) == GESSO_OK);
  int has_run = 0;
  CHECK(gesso_engine_run_once(serving.engine, &has_run) == GESSO_OK);
  CHECK(has_run == 1);
  CHECK(at_step.num_calls == 1);
}

TEST_CASE("requests outlive their engine and its model") {
  Serving serving(1);
  const gesso_request* first = serving.submit();
  REQUIRE(gesso_request_wait(first, -1, nullptr) == GESSO_OK);
  const gesso_request* second = serving.submit();
  gesso_model_free(std::exchange(serving.loaded.model, nullptr));
  gesso_engine_free(std::exchange(serving.engine, nullptr));
  CHECK(Outcome(first).reason == "length");
  int is_done = 0;
  REQUIRE(gesso_request_wait(second, 0, &is_done) == GESSO_OK);
  CHECK(is_done == 1);
  CHECK(Outcome(second).status == GESSO_OK);
  CHECK(gesso_request_cancel(second) == GESSO_OK);
}

TEST_CASE("threads share an engine") {
  Serving serving(1);
  const Ids expected = Outcome(serving.submit()).ids;
  std::vector<std::thread> threads;
  std::vector<Ids> ids(4);
  for (Ids& mine : ids) {
    threads.emplace_back([&serving, &mine] {
      gesso_request* request = nullptr;
      if (serving.try_submit(&request) != GESSO_OK) return;
      gesso_result* result = nullptr;
      if (gesso_request_result(request, &result) == GESSO_OK) {
        size_t count = 0;
        const int32_t* first = gesso_result_ids(result, &count);
        mine.assign(first, first + count);
      }
      gesso_result_free(result);
      gesso_request_free(request);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Ids& mine : ids) CHECK(mine == expected);
}
