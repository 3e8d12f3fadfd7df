// An engine in a process that was forked from its own. Its thread is not there.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

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
  wrong += !engine->close();
  request.reset();
  engine.reset();
  Engine own(model, with_thread());
  wrong += own.submit({5}, canvases(1)).result().ids != expected.ids;
  return wrong;
}

}  // namespace

TEST_CASE("a forked process leaves an engine alone, and may make another one") {
  const Model model = tiny_model();
  const Result expected = alone(model, {5}, canvases(1));
  for (const bool is_busy : {false, true}) {
    std::optional<Engine> engine(std::in_place, model, with_thread());
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
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(30);  // a call that never returns
      ::_exit(count_wrong(model, engine, request, expected));
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    goes_on.open();
    CHECK(request->result().ids == expected.ids);
  }
}

}  // namespace gesso
