// What the callbacks of an engine's requests may do.
#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "engine_helpers.h"

namespace {

using namespace gesso::tests;
using gesso::BusyError;
using gesso::CanvasEvent;
using gesso::Engine;
using gesso::FinishReason;
using gesso::Model;
using gesso::Request;
using gesso::RequestOptions;
using gesso::StepEvent;

const Ids kPrompt = {5, 6, 7};

// Two canvases. `call` is made once, behind the first one.
RequestOptions calling(const std::function<void()>& call) {
  RequestOptions options = canvases(2);
  options.generation.on_canvas = [call](const CanvasEvent& event) {
    if (event.canvas == 0) call();
    return true;
  };
  return options;
}

}  // namespace

TEST_CASE("a callback may submit and cancel, and the calls that would wait for it are refused") {
  const gesso::Model model = tiny_model();
  for (const bool has_thread : {false, true}) {
    CAPTURE(has_thread);
    Engine engine(model, has_thread ? with_thread() : without_thread());
    std::optional<Request> own, child;
    const Request other = engine.submit({9}, canvases(20));
    Gate is_known;
    own = engine.submit(kPrompt, calling([&] {
                          is_known.pass();
                          child = engine.submit({8}, canvases(1));
                          CHECK_THROWS_WITH_AS(child->wait(), doctest::Contains("wait: the engine is busy"), BusyError);
                          CHECK_THROWS_AS(child->result(), BusyError);
                          CHECK_THROWS_AS(engine.drain(), BusyError);
                          if (!has_thread) CHECK_THROWS_AS(engine.run_once(), BusyError);
                          CHECK(!child->is_done());
                          CHECK(engine.counters().submitted == 3);
                          engine.forget_prefixes();
                          other.cancel();
                        }));
    is_known.open();
    check_same(own->result(), alone(model, kPrompt, canvases(2)));
    check_same(child->result(), alone(model, {8}, canvases(1)));
    CHECK(other.result().finish_reason == FinishReason::kCancelled);

    Gate is_known_again;
    own = engine.submit(kPrompt, calling([&] { is_known_again.pass(), own->cancel(); }));
    is_known_again.open();
    check_beginning(own->result(), alone(model, kPrompt, canvases(2)), 1, FinishReason::kCancelled);
    own = engine.submit(kPrompt, calling([&] { CHECK_NOTHROW(child->wait()); }));  // which is done already
    own->wait();
  }
}

TEST_CASE("a callback that throws ends its own request, and one that returns false commits its canvas as it stands") {
  const gesso::Model model = tiny_model();
  Engine engine(model, without_thread());
  const auto stop_at = [](int64_t canvas, int64_t step) {
    RequestOptions options = canvases(3);
    options.generation.on_step = [=](const StepEvent& event) { return event.canvas != canvas || event.step != step; };
    return options;
  };
  const Request failing = engine.submit(kPrompt, calling([] { throw std::runtime_error("no"); }));
  const Request throwing = engine.submit(kPrompt, calling([] { throw 5; }));
  const Request refused = engine.submit(kPrompt, calling([&] { engine.drain(); }));
  const Request first = engine.submit(kPrompt, stop_at(0, 0)), second = engine.submit(kPrompt, stop_at(1, 2));
  const Request other = engine.submit({9}, canvases(3));
  check_same(first.result(), alone(model, kPrompt, stop_at(0, 0)));
  check_same(second.result(), alone(model, kPrompt, stop_at(1, 2)));
  CHECK(first.result().finish_reason == FinishReason::kCancelled);
  CHECK(first.result().denoising_steps == std::vector<int64_t>{1});
  CHECK_THROWS_WITH_AS(failing.result(), "no", std::runtime_error);
  CHECK_THROWS_AS(throwing.result(), int);
  CHECK_THROWS_AS(refused.result(), BusyError);
  check_same(other.result(), alone(model, {9}, canvases(3)));
  CHECK(engine.counters().failed == 3);
  CHECK(engine.counters().cancelled == 2);
}

TEST_CASE("a callback may close, move or destroy its engine") {
  const gesso::Model model = tiny_model();
  const gesso::Result whole = alone(model, kPrompt, canvases(2));
  enum class How { kRunOnce, kDrain, kWait, kThread };
  for (const bool destroys : {false, true}) {
    for (const How how : {How::kRunOnce, How::kDrain, How::kWait, How::kThread}) {
      CAPTURE(destroys);
      CAPTURE(static_cast<int>(how));
      std::optional<Engine> engine(std::in_place, model, how == How::kThread ? with_thread(2) : without_thread(2));
      Gate may_end;
      const Request request = engine->submit(kPrompt, calling([&] {
                                               may_end.pass();
                                               Engine moved = std::move(*engine);
                                               *engine = std::move(moved);
                                               if (destroys) return engine.reset();
                                               engine->close();
                                               CHECK_THROWS_WITH_AS(engine->submit(kPrompt, canvases(1)),
                                                                    doctest::Contains("closed"), gesso::ArgumentError);
                                             }));
      const Request neighbour = engine->submit({9}, canvases(20)), waiting = engine->submit({9}, canvases(20));
      may_end.open();
      if (how == How::kRunOnce) {
        for (int pass = 0; pass < 3; ++pass) engine->run_once();
      } else if (how == How::kDrain) {
        engine->drain();
      }
      check_beginning(request.result(), whole, 1, FinishReason::kCancelled);
      CHECK(neighbour.result().finish_reason == FinishReason::kCancelled);
      CHECK(waiting.result().finish_reason == FinishReason::kCancelled);
    }
  }
}

TEST_CASE("nobody has to wait for a callback that does not return") {
  const gesso::Model model = tiny_model();
  for (const bool has_thread : {false, true}) {
    CAPTURE(has_thread);
    std::optional<Engine> engine(std::in_place, model, has_thread ? with_thread() : without_thread());
    Gate has_begun, may_end;
    const Request request = engine->submit(kPrompt, calling([&] {
                                             has_begun.open();
                                             may_end.pass();
                                           }));
    std::thread waiting([&] { CHECK(request.result().finish_reason == FinishReason::kCancelled); });
    has_begun.pass();
    CHECK(!engine->close(0));
    CHECK(!engine->close(0.01));
    CHECK_THROWS_AS(engine->submit(kPrompt, canvases(1)), gesso::ArgumentError);
    engine.reset();  // this would never end
    may_end.open();
    waiting.join();
  }
}

TEST_CASE("close says when an engine has ended") {
  const gesso::Model model = tiny_model();
  for (const bool has_thread : {false, true}) {
    CAPTURE(has_thread);
    Engine engine(model, has_thread ? with_thread() : without_thread());
    const Request request = engine.submit(kPrompt, canvases(20));
    CHECK(engine.close(60));
    CHECK(request.is_done());
    CHECK(engine.close(0));
  }
}

TEST_CASE("a callback lives no longer than its request runs, even if it holds the request") {
  const gesso::Model model = tiny_model();
  Engine engine(model, without_thread());
  std::weak_ptr<int> seen;
  {
    const auto held = std::make_shared<std::optional<Request>>();
    const auto token = std::make_shared<int>(1);
    seen = token;
    for (const bool keeps_events : {false, true}) {
      RequestOptions options = calling([held, token] { CHECK(!(*held)->is_done()); });
      options.keep_events = keeps_events;
      *held = engine.submit(kPrompt, options);
      (*held)->wait();
    }
  }
  CHECK(seen.expired());
}

TEST_CASE("an engine's callback may use another engine of the same model") {
  const gesso::Model model = tiny_model();
  Engine outer(model, with_thread()), inner(model, without_thread());
  std::vector<gesso::Result> results;
  const Request request =
      outer.submit(kPrompt, calling([&] { results.push_back(inner.submit({8}, canvases(1)).result()); }));
  check_same(request.result(), alone(model, kPrompt, canvases(2)));
  REQUIRE(results.size() == 1);
  check_same(results[0], alone(model, {8}, canvases(1)));
}

TEST_CASE("an end token in a draft is no end of the text") {
  const Model model = tiny_model();
  RequestOptions options = canvases(2);
  for (int32_t id = 0; id < TinySizes().vocab; ++id) options.generation.end_token_ids->push_back(id);
  for (const int64_t last_step : {0, 1, 2}) {
    options.generation.on_step = [&](const StepEvent& event) { return event.step < last_step; };
    const bool is_whole = last_step == 2;
    CHECK(alone(model, kPrompt, options).finish_reason == (is_whole ? FinishReason::kStop : FinishReason::kCancelled));
  }
}
