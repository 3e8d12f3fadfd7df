// Requests that continue a session.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "engine_helpers.h"

namespace {

using namespace gesso::tests;
using gesso::ArgumentError;
using gesso::BusyError;
using gesso::Engine;
using gesso::FinishReason;
using gesso::Request;
using gesso::RequestOptions;
using gesso::Session;

RequestOptions failing() {
  RequestOptions options = canvases(2);
  options.generation.on_canvas = [](const gesso::CanvasEvent& event) {
    if (event.canvas == 1) throw std::runtime_error("no");
    return true;
  };
  return options;
}

// The session goes on as one that has these ids.
void check_continues(const gesso::Model& model, Session& session, Ids ids) {
  REQUIRE(session.ids(0) == ids);
  ids.push_back(11);
  check_same(session.generate({{11}}, canvases(2).generation).results[0], alone(model, ids, canvases(2)));
}

}  // namespace

TEST_CASE("a session's request continues it as Session::generate does, and the session is busy meanwhile") {
  const gesso::Model model = tiny_model();
  for (const bool has_thread : {false, true}) {
    CAPTURE(has_thread);
    Engine engine(model, has_thread ? with_thread() : without_thread());
    Session session(model), expected(model);
    session.encode({{5, 6}});
    expected.encode({{5, 6}});
    for (const Ids& ids : {Ids{7, 8}, Ids{}, Ids(30, 9)}) {
      Gate may_go_on;
      RequestOptions options = canvases(2);
      options.generation.on_step = [&](const gesso::StepEvent&) { return may_go_on.pass(), true; };
      const Request request = engine.submit(session, ids, options);
      const Request neighbour = engine.submit({12, 13}, canvases(3));
      CHECK_THROWS_AS(session.ids(0), BusyError);
      CHECK_THROWS_AS(session.rewind({0}), BusyError);
      CHECK_THROWS_WITH_AS(engine.submit(session, {3}, options), doctest::Contains("submit: the session is busy"),
                           BusyError);
      may_go_on.open();
      const gesso::Result got = request.result();
      const gesso::Result wanted = expected.generate({ids}, canvases(2).generation).results[0];
      check_same(got, wanted);
      CHECK(got.usage.cached_tokens == wanted.usage.cached_tokens);
      CHECK(session.ids(0) == expected.ids(0));
      check_same(neighbour.result(), alone(model, {12, 13}, canvases(3)));
    }
    check_continues(model, session, expected.ids(0));
  }
}

TEST_CASE("a session is as before when its request ends with an error, and has whole canvases when it is cancelled") {
  const gesso::Model model = tiny_model();
  Engine engine(model, without_thread());
  Session session(model);
  const Ids before = {5, 6};
  session.encode({before});
  CHECK_THROWS_WITH_AS(engine.submit(session, {7}, failing()).result(), "no", std::runtime_error);
  RequestOptions late = canvases(2);
  late.deadline = 1e-9;
  CHECK_THROWS_AS(engine.submit(session, {7}, late).result(), gesso::DeadlineExceeded);
  CHECK(session.ids(0) == before);

  const Request cancelled = engine.submit(session, {7}, canvases(3));
  for (int pass = 0; pass < 5; ++pass) engine.run_once();
  cancelled.cancel();
  const gesso::Result whole = alone(model, {5, 6, 7}, canvases(3));
  check_beginning(cancelled.result(), whole, 1, FinishReason::kCancelled);
  Ids ids = {5, 6, 7};
  ids.insert(ids.end(), whole.canvases[0].begin(), whole.canvases[0].end());
  check_continues(model, session, ids);
}

TEST_CASE("a refused submit leaves the session as it was, and free") {
  const gesso::Model model = tiny_model();
  gesso::EngineOptions small = without_thread(1);
  small.max_queued = 0;
  Engine engine(model, small), closed(model, small), tiny(model, [] {
    gesso::EngineOptions options = without_thread(1);
    options.memory_bytes = 1000;
    return options;
  }());
  Engine other(tiny_model(), small);
  closed.close();
  engine.submit({8}, canvases(1));
  Session session(model);
  session.encode({{5, 6}});
  const auto refuse = [&](Engine& by, const Ids& ids, const RequestOptions& options) {
    try {
      by.submit(session, ids, options);
      FAIL("it was not refused");
    } catch (const gesso::Error&) {
    }
    CHECK(session.ids(0) == Ids{5, 6});
  };
  CHECK_THROWS_AS(engine.submit(session, {7}, canvases(1)), gesso::QueueFull);
  CHECK_THROWS_AS(tiny.submit(session, {7}, canvases(1)), gesso::OutOfMemory);
  CHECK_THROWS_WITH_AS(other.submit(session, {7}, canvases(1)), doctest::Contains("own model"), ArgumentError);
  refuse(engine, {7}, canvases(1));
  refuse(closed, {7}, canvases(1));
  refuse(tiny, {7}, canvases(1));
  refuse(other, {7}, canvases(1));
  RequestOptions options = canvases(1);
  refuse(engine, {-1}, options);
  refuse(engine, Ids(199, 5), options);
  options.generation.max_denoising_steps = 0;
  refuse(engine, {7}, options);
  options = canvases(1);
  options.deadline = -1;
  refuse(engine, {7}, options);

  Session two(model, 2), empty(model);
  CHECK_THROWS_WITH_AS(engine.submit(two, {7}, canvases(1)), doctest::Contains("batch size 1, got 2"), ArgumentError);
  CHECK_THROWS_AS(engine.submit(empty, {}, canvases(1)), ArgumentError);
  Session moved = std::move(empty);
  CHECK_THROWS_WITH_AS(engine.submit(empty, {5}, canvases(1)), doctest::Contains("moved"), ArgumentError);
  check_continues(model, session, {5, 6});
}

TEST_CASE("a session may be moved or destroyed while its request runs") {
  const gesso::Model model = tiny_model();
  const gesso::Result expected = alone(model, {5, 6}, canvases(2));
  for (const bool has_thread : {false, true}) {
    CAPTURE(has_thread);
    Engine engine(model, has_thread ? with_thread() : without_thread());
    std::optional<Session> session(std::in_place, model);
    Gate may_go_on;
    RequestOptions options = canvases(2);
    options.generation.on_step = [&](const gesso::StepEvent&) { return may_go_on.pass(), true; };
    const Request request = engine.submit(*session, {5, 6}, options);
    Session moved = std::move(*session);
    CHECK_THROWS_AS(moved.ids(0), BusyError);
    may_go_on.open();
    check_same(request.result(), expected);
    CHECK(moved.length(0) == 2 + std::ssize(expected.ids));

    session.emplace(model);
    const Request orphan = engine.submit(*session, {5, 6}, canvases(2));
    session.reset();
    check_same(orphan.result(), expected);
  }
  // The session outlives the engine that has served it.
  Session session(model);
  check_same(Engine(model, with_thread()).submit(session, {5, 6}, canvases(2)).result(), expected);
  Ids ids = {5, 6};
  ids.insert(ids.end(), expected.ids.begin(), expected.ids.end());
  check_continues(model, session, ids);
}

// A lone request may be interrupted in the middle of a pass. Where that is depends on the moment.
TEST_CASE("a request that is cancelled at any moment leaves its session and the engine sound") {
  TinySizes sizes;
  sizes.context = 900;
  const gesso::Model model = tiny_model(sizes);
  const Ids prompt(300, 9);
  const gesso::Result whole = alone(model, prompt, canvases(3, 2));
  Engine engine(model, with_thread());
  for (int i = 0; i < 30; ++i) {
    Session session(model);
    const Request request = engine.submit(session, prompt, canvases(3, 2));
    // It does not yield: on a busy processor each yield may take as long as another process wants.
    for (std::atomic<int> spins = 0; spins < i * i * 2000;) ++spins;
    request.cancel();
    const gesso::Result got = request.result();
    if (got.finish_reason == FinishReason::kLength) {
      check_same(got, whole);
    } else {
      check_beginning(got, whole, got.canvases.size(), FinishReason::kCancelled);
    }
    Ids ids = prompt;
    ids.insert(ids.end(), got.ids.begin(), got.ids.end());
    REQUIRE(session.ids(0) == ids);
    if (i % 5 != 0) continue;
    check_same(engine.submit(session, {11}, canvases(1)).result(), (ids.push_back(11), alone(model, ids, canvases(1))));
  }
  const gesso::EngineCounters counters = engine.counters();
  CHECK(counters.cache_bytes == 0);
  CHECK(counters.canvas_rows >= counters.denoising_steps * TinySizes().canvas);
}
