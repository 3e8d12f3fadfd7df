// Sessions in C that two want to use at the same time, and callbacks that meddle with their session.
#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "c_session.h"

namespace {

using gesso::test::Ids;
using gesso::test::InC;
using gesso::test::Loaded;
using gesso::test::said;
using gesso::test::short_options;

constexpr char kPath[] = "/tmp/gesso_test_never_written.session";

// What every call of a session says while another one is under way.
std::vector<gesso_status> try_all(gesso_session* session) {
  int64_t number = 0;
  size_t count = 0;
  gesso_session* made = nullptr;
  gesso_bytes* bytes = nullptr;
  gesso_result* result = nullptr;
  const gesso_ids list = {nullptr, 0};
  std::vector<float> logits(1);
  const int32_t id = 1;
  std::vector<gesso_status> statuses = {
      gesso_session_length(session, 0, &number),
      gesso_session_ids(session, 0, nullptr, 0, &count),
      gesso_session_cache_bytes(session, &number),
      gesso_session_encode(session, &list, 1),
      gesso_session_generate(session, &list, 1, nullptr, &result),
      gesso_session_fork(session, &made),
      gesso_session_rewind(session, &number, 1),
      gesso_session_save(session, kPath),
      gesso_session_save_bytes(session, &bytes),
      gesso_session_set_profiling(session, 1),
      gesso_session_denoise(session, &id, 0, 0, logits.data(), 1),
  };
  CHECK(gesso_session_batch_size(session) == 1);
  CHECK(gesso_session_set_poll(session, nullptr, nullptr) == GESSO_OK);
  return statuses;
}

struct Watcher {
  gesso_session* session = nullptr;
  std::vector<gesso_status> statuses;
  std::vector<int64_t> steps;
  int64_t num_canvases = 0;
  int answer = 1;
};

int try_all_in_step(void* user_data, const gesso_step_event* event) {
  auto& watcher = *static_cast<Watcher*>(user_data);
  CHECK(event->struct_size == sizeof *event);
  if (watcher.steps.empty()) watcher.statuses = try_all(watcher.session);
  watcher.steps.push_back(event->step);
  return watcher.answer;
}

int count_canvas(void* user_data, const gesso_canvas_event* event) {
  auto& watcher = *static_cast<Watcher*>(user_data);
  CHECK(event->struct_size == sizeof *event);
  ++watcher.num_canvases;
  return watcher.answer;
}

int free_session(void* user_data, const gesso_step_event*) {
  gesso_session_free(std::exchange(static_cast<Watcher*>(user_data)->session, nullptr));
  return 1;
}

}  // namespace

TEST_CASE("a session refuses every call of its own callbacks") {
  Loaded loaded;
  InC session(loaded.model);
  gesso_options options = short_options();
  REQUIRE(session.generate({{5, 6}}, &options) == GESSO_OK);
  const std::vector<Ids> expected = session.texts;
  const int64_t start = 0;
  REQUIRE(gesso_session_rewind(session.session, &start, 1) == GESSO_OK);
  Watcher watcher;
  watcher.session = session.session;
  options.on_step_event = try_all_in_step;
  options.on_canvas_event = count_canvas;
  options.user_data = &watcher;
  REQUIRE(session.generate({{5, 6}}, &options) == GESSO_OK);
  CHECK(session.texts == expected);
  CHECK(watcher.statuses.size() == 11);
  for (const gesso_status status : watcher.statuses) CHECK(status == GESSO_BUSY_ERROR);
  CHECK(watcher.steps == std::vector<int64_t>{0, 1, 2});
  CHECK(watcher.num_canvases == 1);
}

TEST_CASE("a session that is in one thread's call refuses another thread") {
  Loaded loaded;
  InC session(loaded.model);
  struct Gate {
    std::atomic<bool> is_inside = false, may_go = false;
  } gate;
  gesso_options options = short_options();
  options.user_data = &gate;
  options.on_step_event = [](void* user_data, const gesso_step_event*) {
    auto& gate = *static_cast<Gate*>(user_data);
    gate.is_inside = true;
    while (!gate.may_go) std::this_thread::yield();
    return 1;
  };
  std::thread thread([&] { CHECK(session.generate({{5}}, &options) == GESSO_OK); });
  while (!gate.is_inside) std::this_thread::yield();
  for (const gesso_status status : try_all(session.session)) CHECK(status == GESSO_BUSY_ERROR);
  CHECK(said("the session is busy"));
  gate.may_go = true;
  thread.join();
  int64_t length = 0;
  CHECK(gesso_session_length(session.session, 0, &length) == GESSO_OK);
}

TEST_CASE("a callback may free the session that called it, and its model") {
  Loaded loaded;
  InC session(loaded.model);
  gesso_options options = short_options();
  REQUIRE(session.generate({{5, 6}}, &options) == GESSO_OK);
  gesso_session* other = nullptr;
  REQUIRE(gesso_session_create(loaded.model, 1, &other) == GESSO_OK);
  gesso_model_free(std::exchange(loaded.model, nullptr));
  Watcher watcher;
  watcher.session = other;
  options.on_step_event = free_session;
  options.user_data = &watcher;
  const int32_t prompt[] = {5, 6};
  const gesso_ids list = {prompt, 2};
  gesso_result* result = nullptr;
  REQUIRE(gesso_session_generate(other, &list, 1, &options, &result) == GESSO_OK);
  CHECK(watcher.session == nullptr);
  CHECK(gesso::test::ids_of(result) == session.texts[0]);
  gesso_result_free(result);
}

TEST_CASE("a callback that returns 0 ends the generation with what is there") {
  Loaded loaded;
  InC session(loaded.model, 2);
  gesso_options options = short_options(gesso_model_canvas_length(loaded.model) + 1);
  Watcher watcher;
  watcher.answer = 0;
  options.user_data = &watcher;
  options.on_canvas_event = count_canvas;
  REQUIRE(session.generate({{5}, {6}}, &options) == GESSO_OK);
  CHECK(watcher.num_canvases == 2);  // of four: the canvas of the other sequence was under way
  CHECK(session.texts.size() == 2);
}

TEST_CASE("both callbacks for steps are called, and either ends the generation") {
  Loaded loaded;
  struct Calls {
    int plain = 0, events = 0, answer = 1;
  };
  for (const int answer : {1, 0}) {
    InC session(loaded.model);
    gesso_options options = short_options();
    Calls calls{.answer = answer};
    options.user_data = &calls;
    options.on_step = [](void* user_data, int64_t, int64_t, const int32_t*, const uint8_t*, size_t) {
      ++static_cast<Calls*>(user_data)->plain;
      return static_cast<Calls*>(user_data)->answer;
    };
    options.on_step_event = [](void* user_data, const gesso_step_event* event) {
      ++static_cast<Calls*>(user_data)->events;
      CHECK(event->max_denoising_steps == 3);
      CHECK(event->mean_entropy > 0);
      CHECK(event->length > 0);
      CHECK(event->entropies[event->length - 1] >= 0);
      return 1;
    };
    REQUIRE(session.generate({{5}}, &options) == GESSO_OK);
    CHECK(calls.plain == (answer ? 3 : 1));
    CHECK(calls.events == calls.plain);
  }
}

TEST_CASE("a poll that returns 0 interrupts every call that works, and the session stays as it was") {
  Loaded loaded;
  InC session(loaded.model);
  REQUIRE(session.encode({{5, 6}}) == GESSO_OK);
  int num_polls = 0;
  const auto refuse = [](void* user_data) {
    ++*static_cast<int*>(user_data);
    return 0;
  };
  REQUIRE(gesso_session_set_poll(session.session, refuse, &num_polls) == GESSO_OK);
  CHECK(session.encode({{7, 8}}) == GESSO_INTERRUPTED);
  CHECK(said("interrupted"));
  CHECK(session.generate({{7}}, nullptr) == GESSO_INTERRUPTED);
  CHECK(num_polls == 2);
  CHECK(session.ids() == Ids{5, 6});
  gesso_session* made = nullptr;
  REQUIRE(gesso_session_fork(session.session, &made) == GESSO_OK);
  InC fork(made);
  CHECK(fork.encode({{7}}) == GESSO_OK);  // a fork has no poll
  REQUIRE(gesso_session_set_poll(session.session, nullptr, nullptr) == GESSO_OK);
  CHECK(session.encode({{7, 8}}) == GESSO_OK);
  CHECK(num_polls == 2);
}

TEST_CASE("a profile names the ops of a session, also from its own callback") {
  Loaded loaded;
  InC session(loaded.model);
  gesso_options options = short_options();
  struct Taken {
    gesso_session* session = nullptr;
    gesso_profile* profile = nullptr;
  } taken{session.session, nullptr};
  options.user_data = &taken;
  options.on_canvas_event = [](void* user_data, const gesso_canvas_event*) {
    auto& taken = *static_cast<Taken*>(user_data);
    CHECK(gesso_session_take_profile(taken.session, &taken.profile) == GESSO_OK);
    return 1;
  };
  REQUIRE(gesso_session_set_profiling(session.session, 1) == GESSO_OK);
  REQUIRE(session.generate({{5, 6}}, &options) == GESSO_OK);
  REQUIRE(gesso_profile_size(taken.profile) > 0);
  bool has_outputs = false;
  for (size_t i = 0; i < gesso_profile_size(taken.profile); ++i) {
    gesso_op_profile op;
    REQUIRE(gesso_profile_get(taken.profile, i, &op, sizeof op) == GESSO_OK);
    CHECK(op.calls > 0);
    CHECK(op.plan == std::string());
    has_outputs = has_outputs || (op.op == std::string("linear") && op.weight == std::string("attn_output"));
  }
  CHECK(has_outputs);
  gesso_op_profile op;
  CHECK(gesso_profile_get(taken.profile, gesso_profile_size(taken.profile), &op, sizeof op) == GESSO_ARGUMENT_ERROR);
  gesso_profile_free(taken.profile);
  REQUIRE(gesso_session_set_profiling(session.session, 0) == GESSO_OK);
  gesso_profile* none = nullptr;
  REQUIRE(gesso_session_take_profile(session.session, &none) == GESSO_OK);
  CHECK(gesso_profile_size(none) == 0);
  gesso_profile_free(none);
  CHECK(gesso_session_set_profiling(session.session, 2) == GESSO_ARGUMENT_ERROR);
}

TEST_CASE("16 threads with a session each, and 1000 sessions one after another, write the same text") {
  Loaded loaded;
  const gesso_options options = short_options();
  InC session(loaded.model);
  REQUIRE(session.generate({{5, 6}}, &options) == GESSO_OK);
  std::vector<std::thread> threads;
  std::vector<std::vector<Ids>> texts(16);
  for (std::vector<Ids>& mine : texts) {
    threads.emplace_back([&] {
      InC own(loaded.model);
      if (own.generate({{5, 6}}, &options) == GESSO_OK) mine = own.texts;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<Ids>& mine : texts) CHECK(mine == session.texts);
  for (int i = 0; i < 1000; ++i) InC(loaded.model).encode({{5}});  // a sanitizer sees what is not freed
  const int64_t start = 0;
  REQUIRE(gesso_session_rewind(session.session, &start, 1) == GESSO_OK);
  const std::vector<Ids> expected = session.texts;
  REQUIRE(session.generate({{5, 6}}, &options) == GESSO_OK);
  CHECK(session.texts == expected);
}
