// An engine, in C++ and in C, in a process that was forked from its own. Its thread is not there.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "c_engine.h"
#include "engine_helpers.h"
#include "gesso/engine.h"

namespace gesso {
namespace {

using namespace tests;

template <typename Call>
bool is_refused(const Call& call) {
  try {
    call();
    return false;
  } catch (const Error& error) {
    return std::string(error.what()).find("forked") != std::string::npos;
  }
}

// How many of the calls do something else than they should in the forked process.
int count_wrong(const Model& model, std::optional<Engine>& engine, std::optional<Request>& request,
                const Result& expected) {
  int wrong = 0;
  wrong += !is_refused([&] { engine->submit({5}, canvases(1)); });
  wrong += !is_refused([&] { engine->counters(); });
  wrong += !is_refused([&] { engine->drain(); });
  wrong += !is_refused([&] { engine->forget_prefixes(); });
  wrong += !is_refused([&] { request->wait(); });
  wrong += !is_refused([&] { request->result(); });
  wrong += !is_refused([&] { request->is_done(); });
  wrong += !is_refused([&] { request->next(); });
  wrong += !is_refused([&] { request->cancel(); });
  wrong += engine->max_running() != 1;
  wrong += !engine->close();
  request.reset();
  engine.reset();
  Engine own(model, with_thread());
  wrong += own.submit({5}, canvases(1)).result().ids != expected.ids;
  return wrong;
}

// The same in C, where nothing may be thrown.
int count_wrong_in_c(test::Serving& serving) {
  int wrong = 0, done = 0;
  gesso_request* request = nullptr;
  gesso_result* result = nullptr;
  gesso_counters counters;
  wrong += serving.try_submit(&request) != GESSO_OTHER_ERROR;
  wrong += gesso_request_cancel(serving.requests[0]) != GESSO_OTHER_ERROR;
  wrong += gesso_request_wait(serving.requests[0], 1, &done) != GESSO_OTHER_ERROR;
  wrong += gesso_request_result(serving.requests[0], &result) != GESSO_OTHER_ERROR;
  wrong += gesso_engine_drain(serving.engine, 1, &done) != GESSO_OTHER_ERROR;
  wrong += gesso_engine_counters(serving.engine, &counters, sizeof counters) != GESSO_OTHER_ERROR;
  wrong += gesso_engine_max_running(serving.engine) != 1;
  wrong += gesso_engine_close_within(serving.engine, 1, &done) != GESSO_OK || done != 1;
  gesso_request_free(serving.requests[0]);
  gesso_engine_free(serving.engine);
  return wrong;
}

// Runs `count` in a forked process, and checks that it returns 0.
template <typename Count>
void check_in_forked(const Count& count) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);  // for a call that never returns
    ::_exit(count());
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace

TEST_CASE("a forked process leaves an engine in C alone") {
  test::Serving serving(1);
  serving.submit();
  check_in_forked([&] { return count_wrong_in_c(serving); });
}

TEST_CASE("a forked process leaves an engine alone, and may make another one") {
  const Model model = tiny_model();
  const Result expected = alone(model, {5}, canvases(1));
  for (const bool is_busy : {false, true}) {
    std::optional<Engine> engine(std::in_place, model, with_thread(1));
    Gate is_inside, goes_on;
    RequestOptions options = canvases(1);
    options.keep_events = true;
    if (is_busy) {
      options.generation.on_step = [&](const StepEvent&) {
        is_inside.open();
        goes_on.pass();
        return true;
      };
    }
    std::optional<Request> request(engine->submit({5}, options));
    if (is_busy) {
      is_inside.pass();
    } else {
      request->wait();
    }
    check_in_forked([&] { return count_wrong(model, engine, request, expected); });
    goes_on.open();
    CHECK(request->result().ids == expected.ids);
  }
}

}  // namespace gesso
