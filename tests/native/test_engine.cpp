// The engine: requests alone and among neighbours, cancelled, late, refused, in turns, with events.
#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine_helpers.h"

namespace {

using namespace gesso::tests;
using gesso::ArgumentError;
using gesso::Engine;
using gesso::EngineCounters;
using gesso::FinishReason;
using gesso::Request;
using gesso::RequestEvent;
using gesso::RequestOptions;

const Ids kPrompt = {5, 6, 7};

// Notes in `order` that its first canvas is done.
RequestOptions noting(std::string& order, char name, int64_t count = 1) {
  RequestOptions options = canvases(count, 2);
  options.generation.on_canvas = [&order, name](const gesso::CanvasEvent&) { return order += name, true; };
  return options;
}

}  // namespace

TEST_CASE("a request writes the same alone and among neighbours") {
  const gesso::Model model = tiny_model();
  const std::vector<Ids> prompts = {{5}, {6, 7}, Ids(40, 8), Ids(190 - 3 * 7, 9), {5, 6, 7}, {5, 6, 7}};
  for (const bool has_thread : {false, true}) {
    CAPTURE(has_thread);
    Engine engine(model, has_thread ? with_thread() : without_thread());
    std::vector<Request> requests;
    for (size_t i = 0; i < prompts.size(); ++i) requests.push_back(engine.submit(prompts[i], canvases(3, 2 + i, i)));
    for (size_t i = 0; i < prompts.size(); ++i) {
      check_same(requests[i].result(), alone(model, prompts[i], canvases(3, 2 + i, i)));
    }
    // The result may be asked for again, and a copy of the request is the same request.
    const Request copy = requests[0];
    CHECK(copy.result().ids == requests[0].result().ids);
    const EngineCounters counters = engine.counters();
    CHECK(counters.full_length == 6);
    CHECK(counters.canvases == 18);
    CHECK(counters.denoising_steps == 3 * (2 + 3 + 4 + 5 + 6 + 7));
    CHECK(counters.canvas_rows == counters.denoising_steps * TinySizes().canvas);
    CHECK(counters.begun == 6);
    CHECK(counters.had_first_canvas == 6);
    CHECK(counters.cache_bytes == 0);
  }
}

TEST_CASE("run_once says whether there was anything to do, and only where the engine has no thread") {
  const gesso::Model model = tiny_model();
  Engine engine(model, without_thread());
  CHECK(!engine.run_once());
  const Request request = engine.submit(kPrompt, canvases(2));
  CHECK(!request.is_done());
  CHECK(!request.wait(0.0));
  CHECK(!request.wait(-1.0));
  CHECK(!request.wait(std::numeric_limits<double>::quiet_NaN()));
  int passes = 0;
  while (engine.run_once()) ++passes;
  CHECK(passes == 6);
  CHECK(engine.counters().passes == 6);
  CHECK(request.is_done());
  engine.drain();
  Engine other(model, with_thread());
  CHECK_THROWS_WITH_AS(other.run_once(), doctest::Contains("thread of its own"), ArgumentError);
}

TEST_CASE("a request that is cancelled has the canvases that were done") {
  TinySizes sizes;
  sizes.context = 900;
  const gesso::Model model = tiny_model(sizes);
  Engine engine(model, without_thread(2));
  const Ids long_prompt(700, 9);
  const Request encoding = engine.submit(long_prompt, canvases(1));
  const Request denoising = engine.submit(kPrompt, canvases(3));
  const Request waiting = engine.submit({8}, canvases(1));
  const Request other = engine.submit({9}, canvases(2));
  engine.run_once();
  CHECK(engine.counters().prompt_rows > 0);
  CHECK(engine.counters().prompt_rows < 700);
  CHECK(engine.counters().waiting == 2);
  encoding.cancel();
  waiting.cancel();
  engine.run_once();
  CHECK(encoding.is_done());
  CHECK(waiting.is_done());
  for (int pass = 0; pass < 3; ++pass) engine.run_once();  // the second canvas has taken two steps
  denoising.cancel();
  CHECK(!denoising.is_done());
  engine.drain();
  check_beginning(encoding.result(), alone(model, long_prompt, canvases(1)), 0, FinishReason::kCancelled);
  check_beginning(waiting.result(), alone(model, {8}, canvases(1)), 0, FinishReason::kCancelled);
  check_beginning(denoising.result(), alone(model, kPrompt, canvases(3)), 1, FinishReason::kCancelled);
  check_same(other.result(), alone(model, {9}, canvases(2)));
  other.cancel();
  CHECK(other.result().finish_reason == FinishReason::kLength);
  CHECK(engine.counters().cancelled == 3);
  CHECK(engine.counters().full_length == 1);
}

TEST_CASE("a deadline ends a request: by an error before its first canvas, and with the canvases that are done later") {
  const gesso::Model model = tiny_model();
  Engine engine(model, without_thread());
  RequestOptions options = canvases(3);
  options.deadline = 1e-9;
  const Request exceeded = engine.submit(kPrompt, options);
  const Request other = engine.submit({8}, canvases(1));
  CHECK_THROWS_WITH_AS(exceeded.result(), doctest::Contains("deadline"), gesso::DeadlineExceeded);
  CHECK(engine.counters().exceeded == 1);
  check_same(other.result(), alone(model, {8}, canvases(1)));

  // The first canvas is followed by a wait beyond the deadline. On a slow machine it may be late already: then the
  // deadline is doubled.
  for (double seconds = 0.05;; seconds *= 2) {
    options = canvases(3);
    options.deadline = seconds;
    options.generation.on_canvas = [&](const gesso::CanvasEvent&) {
      std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
      return true;
    };
    const Request late = engine.submit(kPrompt, options);
    try {
      check_beginning(late.result(), alone(model, kPrompt, canvases(3)), 1, FinishReason::kDeadline);
      break;
    } catch (const gesso::DeadlineExceeded&) {
    }
  }
  CHECK(engine.counters().late == 1);
  options.deadline = 1e300;
  options.generation.on_canvas = nullptr;
  check_same(engine.submit(kPrompt, options).result(), alone(model, kPrompt, canvases(3)));
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    options.deadline = bad;
    CHECK_THROWS_WITH_AS(engine.submit(kPrompt, options), doctest::Contains("deadline: expected"), ArgumentError);
  }
}

TEST_CASE("a full queue refuses requests, and whoever sees that a request is done finds its place free") {
  const gesso::Model model = tiny_model();
  gesso::EngineOptions options = without_thread(1);
  options.max_queued = 2;
  Engine engine(model, options);
  std::vector<Request> requests;
  for (int i = 0; i < 3; ++i) requests.push_back(engine.submit({5 + i}, canvases(1, 1)));
  CHECK_THROWS_WITH_AS(engine.submit({8}, canvases(1)), doctest::Contains("2 more than places"), gesso::QueueFull);
  CHECK(engine.counters().refused == 1);
  CHECK(engine.counters().submitted == 3);
  CHECK(engine.counters().waiting == 3);
  requests[0].wait();
  requests.push_back(engine.submit({8}, canvases(1, 1)));
  for (int i = 0; i < 4; ++i) check_same(requests[i].result(), alone(model, {5 + i}, canvases(1, 1)));

  options = with_thread(1);
  options.max_queued = 0;
  Engine busy(model, options);
  for (int i = 0; i < 200; ++i) CHECK_NOTHROW(busy.submit({5}, canvases(1, 1)).wait());
}

TEST_CASE("a higher priority goes first, and keys take turns") {
  const gesso::Model model = tiny_model();
  std::string order;
  Engine engine(model, without_thread(1));
  const auto submit = [&](char name, int priority, const char* key, int64_t count = 1) {
    RequestOptions options = noting(order, name, count);
    options.priority = priority;
    options.key = key;
    engine.submit(kPrompt, options);
  };
  submit('1', std::numeric_limits<int>::min(), "");
  submit('2', 0, "");
  submit('3', std::numeric_limits<int>::max(), "");
  engine.drain();
  CHECK(order == "321");

  order.clear();
  for (const char name : {'a', 'b', 'c', 'd'}) submit(name, 0, "many");
  for (const char name : {'x', 'y'}) submit(name, 0, "few");
  engine.drain();
  CHECK(order == "axbycd");
}

TEST_CASE("another thread that runs a pass makes run_once refuse, and wait go on waiting") {
  const gesso::Model model = tiny_model();
  Engine engine(model, without_thread());
  Gate is_inside, may_leave;
  RequestOptions options = canvases(2, 1);
  options.generation.on_canvas = [&](const gesso::CanvasEvent&) { return is_inside.open(), may_leave.pass(), true; };
  const Request request = engine.submit(kPrompt, options);
  std::thread thread([&] { engine.run_once(); });
  is_inside.pass();
  CHECK_THROWS_WITH_AS(engine.run_once(), doctest::Contains("run_once: the engine is busy"), gesso::BusyError);
  CHECK(!request.wait(0.02));
  const Request second = engine.submit({8}, canvases(1));
  may_leave.open();
  thread.join();
  CHECK(!request.is_done());
  std::thread waiting([&] { CHECK(second.wait()); });
  check_same(request.result(), alone(model, kPrompt, canvases(2, 1)));  // both run the passes
  waiting.join();
}

TEST_CASE("events come in order, the newest of several steps, and the end") {
  const gesso::Model model = tiny_model();
  Engine engine(model, without_thread());
  RequestOptions options = canvases(2, 3);
  CHECK_THROWS_WITH_AS(engine.submit(kPrompt, options).next(), doctest::Contains("keep_events"), ArgumentError);
  options.keep_events = true;
  int64_t num_steps = 0;
  options.generation.on_step = [&](const gesso::StepEvent&) { return ++num_steps, true; };
  const gesso::Result expected = alone(model, kPrompt, canvases(2, 3));

  const auto kind = [](const RequestEvent& event) {
    const char name = "sce"[static_cast<size_t>(event.kind)];
    return std::string(1, name) + std::to_string(event.canvas) + std::to_string(event.step);
  };
  const Request taken = engine.submit(kPrompt, options);
  CHECK(!taken.next(0.0));
  std::string kinds;
  while (const std::optional<RequestEvent> event = taken.next()) {
    kinds += kind(*event) + " ";
    if (event->kind == RequestEvent::Kind::kCanvas) {
      CHECK(event->ids == expected.canvases[event->canvas]);
      CHECK(event->denoising_steps == 3);
    }
    if (event->kind == RequestEvent::Kind::kStep) {
      CHECK(event->entropies.size() == 7);
      CHECK(event->accepted.size() == 7);
      CHECK(event->max_denoising_steps == 3);
      if (event->step == 2) CHECK(event->ids == expected.canvases[event->canvas]);
    }
  }
  CHECK(kinds == "s00 s01 s02 c00 s10 s11 s12 c10 e00 ");
  CHECK(num_steps == 6);
  CHECK(!taken.next());

  const Request late = engine.submit(kPrompt, options);
  engine.drain();
  for (kinds.clear(); const std::optional<RequestEvent> event = late.next();) kinds += kind(*event) + " ";
  CHECK(kinds == "s02 c00 s12 c10 e00 ");
  check_same(late.result(), expected);
}

TEST_CASE("an engine that is closed, destroyed or moved ends its requests, which outlive it") {
  const gesso::Model model = tiny_model();
  for (const bool has_thread : {false, true}) {
    CAPTURE(has_thread);
    const gesso::EngineOptions options = has_thread ? with_thread(1) : without_thread(1);
    std::vector<Request> requests;
    std::optional<Engine> engine(std::in_place, model, options);
    for (int i = 0; i < 5; ++i) requests.push_back(engine->submit(kPrompt, canvases(20, 8)));
    Engine moved = std::move(*engine);
    CHECK_THROWS_WITH_AS(engine->submit(kPrompt), doctest::Contains("moved"), ArgumentError);
    CHECK_THROWS_WITH_AS(engine->run_once(), doctest::Contains("moved"), ArgumentError);
    CHECK_THROWS_WITH_AS(engine->drain(), doctest::Contains("moved"), ArgumentError);
    CHECK_THROWS_WITH_AS(engine->counters(), doctest::Contains("moved"), ArgumentError);
    *engine = std::move(moved);
    std::thread closing([&] { engine->close(); });
    engine->close();
    closing.join();
    CHECK_THROWS_WITH_AS(engine->submit(kPrompt, canvases(1)), doctest::Contains("closed"), ArgumentError);
    const Request again = requests[4];
    engine.reset();
    for (const Request& request : requests) {
      CHECK(request.is_done());
      CHECK(request.result().finish_reason == FinishReason::kCancelled);
    }
    CHECK(again.wait());
    again.cancel();
    CHECK_NOTHROW(Engine(model, options).submit(kPrompt, canvases(20)));  // an engine that is gone at once
  }
}

TEST_CASE("an engine refuses options and prompts that it cannot serve") {
  const gesso::Model model = tiny_model();
  for (int64_t gesso::EngineOptions::*option :
       {&gesso::EngineOptions::max_running, &gesso::EngineOptions::max_queued, &gesso::EngineOptions::memory_bytes}) {
    gesso::EngineOptions bad = without_thread();
    bad.*option = -1;
    CHECK_THROWS_WITH_AS(Engine(model, bad), doctest::Contains("expected at least 0, got -1"), ArgumentError);
  }
  Engine engine(model, without_thread());
  CHECK_THROWS_AS(engine.submit({}, canvases(1)), ArgumentError);
  CHECK_THROWS_AS(engine.submit({-1}, canvases(1)), ArgumentError);
  CHECK_THROWS_AS(engine.submit(Ids(199, 5), canvases(1)), ArgumentError);
  RequestOptions options = canvases(1);
  options.generation.seeds = {1, 2};
  CHECK_THROWS_AS(engine.submit(kPrompt, options), ArgumentError);
  CHECK(engine.counters().submitted == 0);
  check_same(engine.submit(kPrompt, canvases(2)).result(), alone(model, kPrompt, canvases(2)));
}

TEST_CASE("any number of requests may wait where the caller says so") {
  const gesso::Model model = tiny_model();
  gesso::EngineOptions options = without_thread();
  options.max_queued = std::numeric_limits<int64_t>::max();
  gesso::Engine engine(model, options);
  check_same(engine.submit({5}, canvases(1)).result(), alone(model, {5}, canvases(1)));
}
