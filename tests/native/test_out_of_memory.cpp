// When memory runs out, a call fails or a request ends with an error. Nothing is lost, and the next call works.
#include <doctest/doctest.h>

#include <cstdint>
#include <new>
#include <optional>
#include <string>

#include "core/check.h"
#include "engine_helpers.h"
#include "failing_memory.h"
#include "gesso/engine.h"

namespace gesso {
namespace {

using test::FailingMemory;
using namespace tests;

// A prompt of more than one block, so that some of it is kept for later requests.
const Ids kPrompt = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

// Calls work(), whose allocation `which` fails. Returns false if work() has no such allocation.
template <typename Work>
bool fails(int64_t which, bool is_lasting, const Work& work) {
  const FailingMemory failing(which, is_lasting);
  try {
    work();
  } catch (const std::bad_alloc&) {
  } catch (const OutOfMemory&) {
  }
  return failing.has_failed();
}

// Calls try_once(which, is_lasting), which returns what fails() returns, for each `step`-th allocation. Failures that
// last lead to the same places sooner or later, so a few of them do.
template <typename Try>
void try_all(int64_t step, const Try& try_once) {
  int64_t which = 0;
  while (try_once(which, false)) which += step;
  CHECK(which > 30);  // else it was not the work that failed
  for (which = 0; try_once(which, true);) which += 13;
}

// Whether the request has a result. Without one it has ended for want of memory.
bool has_result(const Request& request) {
  try {
    request.result();
    return true;
  } catch (const std::bad_alloc&) {
  } catch (const OutOfMemory&) {
  }
  return false;
}

void check_engine(const EngineOptions& engine_options, int64_t step) {
  const Model model = tiny_model();
  RequestOptions options = canvases(2, 1);
  options.keep_events = true;
  const Result expected = alone(model, kPrompt, canvases(2, 1));
  try_all(step, [&](int64_t which, bool is_lasting) {
    Engine engine(model, engine_options);
    std::optional<Request> request;
    const bool has_failed = fails(which, is_lasting, [&] {
      request.emplace(engine.submit(kPrompt, options));
      if (engine_options.has_thread) {
        request->wait();
      } else {
        while (engine.run_once()) {
        }
      }
    });
    CAPTURE(which);
    CAPTURE(is_lasting);
    if (request) {
      REQUIRE(request->wait(30));
      if (has_result(*request)) check_same(request->result(), expected);
      while (const auto event = request->next()) CHECK(event->kind <= RequestEvent::Kind::kEnd);
    }
    // The engine goes on as if nothing had been.
    check_same(engine.submit(kPrompt, canvases(2, 1)).result(), expected);
    const EngineCounters counters = engine.counters();
    CHECK(counters.waiting + counters.running == 0);
    CHECK(counters.submitted == counters.full_length + counters.failed);
    return has_failed;
  });
}

}  // namespace

TEST_CASE("when memory runs out in an engine, a request ends and the next one is served") {
  check_engine(without_thread(), 1);
  check_engine(with_thread(), 5);  // the same allocations on another thread
}

TEST_CASE("when memory runs out in a call, its session is as before") {
  const Model model = tiny_model();
  const GenerationOptions options = canvases(2, 1).generation;
  const Result expected = alone(model, kPrompt, canvases(2, 1));
  try_all(1, [&](int64_t which, bool is_lasting) {
    Session session(model);
    session.set_profiling(true);  // it has allocations of its own
    std::optional<GenerationResult> got;
    const bool has_failed = fails(which, is_lasting, [&] { got = session.generate({kPrompt}, options); });
    CAPTURE(which);
    CAPTURE(is_lasting);
    if (!got) {
      CHECK(session.length(0) == 0);
      got = session.generate({kPrompt}, options);
    }
    check_same(got->results[0], expected);
    return has_failed;
  });
}

TEST_CASE("when memory runs out, no message is cut") {
  const std::string long_text(100, 'a');
  try_all(1, [&](int64_t which, bool is_lasting) {
    std::string text;
    const bool has_failed = fails(which, is_lasting, [&] {
      for (int i = 0; i < 20; ++i) text = concat(long_text, i, long_text);
    });
    CHECK((text.empty() || text.size() >= 2 * long_text.size() + 1));
    return has_failed;
  });
}

}  // namespace gesso
