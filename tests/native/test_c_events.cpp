// Events of requests in C, requests of sessions, and how an engine is closed.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "c_engine.h"
#include "c_session.h"

namespace {

using gesso::test::Ids;
using gesso::test::ids_of;
using gesso::test::InC;
using gesso::test::said;
using gesso::test::Serving;

// Takes the events of a request until its end.
std::vector<gesso_event*> take_all(const gesso_request* request) {
  std::vector<gesso_event*> events;
  do {
    gesso_event* event = nullptr;
    REQUIRE(gesso_request_next(request, -1, &event) == GESSO_OK);
    REQUIRE(event != nullptr);
    events.push_back(event);
  } while (events.back()->kind != GESSO_EVENT_END);
  return events;
}

Ids result_ids(const gesso_request* request) {
  gesso_result* result = nullptr;
  REQUIRE(gesso_request_result(request, &result) == GESSO_OK);
  const Ids ids = ids_of(result);
  gesso_result_free(result);
  return ids;
}

}  // namespace

TEST_CASE("the events of a request are its steps, its canvases and its end") {
  for (const int64_t has_thread : {0, 1}) {
    Serving serving(has_thread);
    serving.options.keep_events = 1;
    const gesso_request* request = serving.submit();
    const std::vector<gesso_event*> events = take_all(request);
    const auto length = static_cast<size_t>(gesso_model_canvas_length(serving.loaded.model));
    int64_t num_canvases = 0, last_step = -1;
    Ids committed;
    for (const gesso_event* event : events) {
      CHECK(event->struct_size == sizeof *event);
      if (event->kind == GESSO_EVENT_STEP) {
        CHECK(event->canvas == num_canvases);
        CHECK(event->step > last_step);
        CHECK(event->max_denoising_steps == 3);
        CHECK(event->mean_entropy > 0);
        CHECK(event->length == length);
        CHECK(event->accepted[length - 1] <= 1);
        CHECK(event->entropies[length - 1] >= 0);
        last_step = event->step;
      } else if (event->kind == GESSO_EVENT_CANVAS) {
        CHECK(event->canvas == num_canvases++);
        CHECK(event->denoising_steps == 3);
        CHECK((event->accepted == nullptr));
        CHECK((event->entropies == nullptr));
        REQUIRE(event->length == length);
        committed.insert(committed.end(), event->ids, event->ids + length);
        last_step = -1;
      }
    }
    CHECK(num_canvases == 2);
    const Ids ids = result_ids(request);
    CHECK(Ids(committed.begin(), committed.begin() + std::ssize(ids)) == ids);
    CHECK(events.back()->length == 0);
    gesso_event* none = events[0];
    CHECK(gesso_request_next(request, -1, &none) == GESSO_OK);  // behind the end
    CHECK(none == nullptr);
    for (gesso_event* event : events) gesso_event_free(event);
  }
}

TEST_CASE("events outlive their request, and polling does not wait") {
  Serving serving(1);
  serving.options.keep_events = 1;
  gesso_request* request = nullptr;
  REQUIRE(serving.try_submit(&request) == GESSO_OK);
  gesso_event* first = nullptr;
  REQUIRE(gesso_request_next(request, -1, &first) == GESSO_OK);
  REQUIRE(gesso_request_cancel(request) == GESSO_OK);
  REQUIRE(gesso_request_wait(request, -1, nullptr) == GESSO_OK);
  gesso_event* event = first;
  std::vector<int64_t> kinds;
  while (event) {
    kinds.push_back(event->kind);
    if (event != first) gesso_event_free(event);
    REQUIRE(gesso_request_next(request, 0, &event) == GESSO_OK);
  }
  CHECK(kinds.back() == GESSO_EVENT_END);
  gesso_request_free(request);
  CHECK(first->ids[first->length - 1] >= 0);
  gesso_event_free(first);

  const gesso_request* without = (serving.options.keep_events = 0, serving.submit());
  CHECK(gesso_request_next(without, 0, &event) == GESSO_ARGUMENT_ERROR);
  CHECK(said("keep_events"));
  CHECK(gesso_request_next(without, std::nan(""), &event) == GESSO_ARGUMENT_ERROR);
  CHECK(event == nullptr);
  serving.options.keep_events = 2;
  CHECK(serving.try_submit(&request) == GESSO_ARGUMENT_ERROR);
  CHECK(said("gesso_request_options.keep_events: expected 0 or 1, got 2"));
}

TEST_CASE("a request of a session continues it as the session itself does") {
  Serving serving(1);
  InC session(serving.loaded.model), same(serving.loaded.model);
  for (const Ids& turn : {Ids{5, 6}, Ids{7}}) {
    gesso_request* request = nullptr;
    REQUIRE(gesso_engine_submit_session(serving.engine, session.session, turn.data(), turn.size(), &serving.options,
                                        &request) == GESSO_OK);
    REQUIRE(same.generate({turn}, &serving.generation) == GESSO_OK);
    CHECK(result_ids(request) == same.texts[0]);
    gesso_request_free(request);
    CHECK(session.ids() == same.ids());
  }
  InC batch(serving.loaded.model, 2);
  gesso_request* request = nullptr;
  CHECK(gesso_engine_submit_session(serving.engine, batch.session, nullptr, 0, nullptr, &request) ==
        GESSO_ARGUMENT_ERROR);
  CHECK(said("expected a session of batch size 1, got 2"));
  CHECK(request == nullptr);
}

TEST_CASE("a session is busy while a request continues it, and may be freed then") {
  Serving serving(0);
  InC session(serving.loaded.model);
  const int32_t ids[] = {5, 6};
  gesso_request* request = nullptr;
  REQUIRE(gesso_engine_submit_session(serving.engine, session.session, ids, 2, &serving.options, &request) == GESSO_OK);
  int64_t length = 0;
  CHECK(gesso_session_length(session.session, 0, &length) == GESSO_BUSY_ERROR);
  gesso_request* second = nullptr;
  CHECK(gesso_engine_submit_session(serving.engine, session.session, ids, 2, &serving.options, &second) ==
        GESSO_BUSY_ERROR);
  CHECK(second == nullptr);
  gesso_session_free(std::exchange(session.session, nullptr));
  CHECK_FALSE(result_ids(request).empty());
  gesso_request_free(request);
}

TEST_CASE("both callbacks for canvases of a request are called, and either ends it") {
  struct Calls {
    int plain = 0, events = 0;
  } calls;
  Serving serving(0);
  serving.options.user_data = &calls;
  serving.options.on_canvas = [](void* user_data, int64_t, int64_t, int, const int32_t*, size_t) {
    ++static_cast<Calls*>(user_data)->plain;
    return 1;
  };
  serving.generation.user_data = &calls;
  serving.generation.on_canvas_event = [](void* user_data, const gesso_canvas_event* event) {
    CHECK(event->canvas == 0);
    ++static_cast<Calls*>(user_data)->events;
    return 0;
  };
  gesso_result* result = nullptr;
  REQUIRE(gesso_request_result(serving.submit(), &result) == GESSO_OK);
  CHECK(gesso_result_finish_reason(result) == std::string("cancelled"));
  gesso_timings timings;
  REQUIRE(gesso_result_timings(result, &timings, sizeof timings) == GESSO_OK);
  CHECK(timings.steps == 0);
  gesso_result_free(result);
  CHECK(calls.plain == 1);
  CHECK(calls.events == 1);
}

TEST_CASE("an engine that is closed within some time says whether it is") {
  for (const int64_t has_thread : {0, 1}) {
    Serving serving(has_thread);
    CHECK(gesso_engine_max_running(serving.engine) == 1);
    const gesso_request* request = serving.submit();
    int is_done = 7;
    CHECK(gesso_engine_close_within(serving.engine, std::nan(""), &is_done) == GESSO_ARGUMENT_ERROR);
    CHECK(is_done == 7);
    REQUIRE(gesso_engine_close_within(serving.engine, -1, &is_done) == GESSO_OK);
    CHECK(is_done == 1);
    REQUIRE(gesso_request_wait(request, 0, &is_done) == GESSO_OK);
    CHECK(is_done == 1);
    CHECK(gesso_engine_close_within(serving.engine, 0, nullptr) == GESSO_OK);
  }
}
