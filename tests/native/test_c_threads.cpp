// Many threads with one model: each has a session of its own, or all have one engine. Each writes what it writes alone.
// The builds with ThreadSanitizer and with AddressSanitizer run this, too.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "c_session.h"

namespace {

using gesso::test::Ids;
using gesso::test::ids_of;
using gesso::test::Loaded;
using gesso::test::short_options;

constexpr int kThreads = 16;
constexpr int kSessions = 1000;

// What one thread does: two turns with prompts and a seed of its own.
struct Turns {
  explicit Turns(int thread) : prompts{Ids(1 + static_cast<size_t>(thread) % 5, 5 + thread), {6, 7}} {
    options = short_options();
    options.seed = static_cast<uint64_t>(thread);
  }
  std::vector<Ids> prompts;
  gesso_options options;
};

// What a thread has got. Assertions are for the main thread, so the others keep their statuses.
struct Got {
  std::vector<Ids> texts;
  std::string problem;

  bool is_ok(gesso_status status) {
    if (status != GESSO_OK && problem.empty()) problem = gesso_last_error();
    return status == GESSO_OK;
  }
  void take(gesso_result* result) {
    texts.push_back(ids_of(result));
    gesso_result_free(result);
  }
};

Got in_a_session(const gesso_model* model, const Turns& turns) {
  Got got;
  gesso_session* session = nullptr;
  if (!got.is_ok(gesso_session_create(model, 1, &session))) return got;
  for (const Ids& prompt : turns.prompts) {
    const gesso_ids list = {prompt.data(), prompt.size()};
    gesso_result* result = nullptr;
    if (got.is_ok(gesso_session_generate(session, &list, 1, &turns.options, &result))) got.take(result);
  }
  gesso_session_free(session);
  return got;
}

// The first turn alone, since requests have no history.
Got in_an_engine(gesso_engine* engine, const Turns& turns) {
  Got got;
  gesso_request_options options;
  gesso_request* request = nullptr;
  gesso_result* result = nullptr;
  if (!got.is_ok(gesso_request_options_init(&options, sizeof options))) return got;
  options.generation = &turns.options;
  const Ids& prompt = turns.prompts[0];
  if (!got.is_ok(gesso_engine_submit(engine, prompt.data(), prompt.size(), &options, &request))) return got;
  if (got.is_ok(gesso_request_result(request, &result))) got.take(result);
  gesso_request_free(request);
  return got;
}

std::vector<Turns> all_turns() {
  std::vector<Turns> turns;
  for (int i = 0; i < kThreads; ++i) turns.emplace_back(i);
  return turns;
}

// Runs `work` for each of the turns at the same time.
template <typename Work>
std::vector<Got> on_threads(const std::vector<Turns>& turns, const Work& work) {
  std::vector<Got> got(turns.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < turns.size(); ++i) {
    threads.emplace_back([&, i] { got[i] = work(turns[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  return got;
}

}  // namespace

TEST_CASE("16 threads with a session each write what each writes alone") {
  Loaded loaded;
  const std::vector<Turns> turns = all_turns();
  const std::vector<Got> together = on_threads(turns, [&](const Turns& of) { return in_a_session(loaded.model, of); });
  Ids different;
  for (size_t i = 0; i < turns.size(); ++i) {
    const Got alone = in_a_session(loaded.model, turns[i]);
    CHECK_MESSAGE(together[i].problem.empty(), together[i].problem);
    REQUIRE(alone.texts.size() == 2);
    CHECK(together[i].texts == alone.texts);
    different.push_back(alone.texts[0] != together[0].texts[0]);
  }
  CHECK(std::count(different.begin(), different.end(), 1) > kThreads / 2);  // so that a mix-up would show
}

TEST_CASE("16 threads with one engine write what each writes alone") {
  Loaded loaded;
  const std::vector<Turns> turns = all_turns();
  gesso_engine_options options;
  gesso_engine* engine = nullptr;
  REQUIRE(gesso_engine_options_init(&options, sizeof options) == GESSO_OK);
  options.max_running = 8;  // half of them wait, and get places that others leave
  options.memory_bytes = int64_t{1} << 30;
  options.has_thread = 1;
  REQUIRE(gesso_engine_create(loaded.model, &options, &engine) == GESSO_OK);
  const std::vector<Got> together = on_threads(turns, [&](const Turns& of) { return in_an_engine(engine, of); });
  gesso_counters counters;
  REQUIRE(gesso_engine_counters(engine, &counters, sizeof counters) == GESSO_OK);
  gesso_engine_free(engine);
  CHECK(counters.submitted == kThreads);
  CHECK(counters.failed == 0);
  for (size_t i = 0; i < turns.size(); ++i) {
    CHECK_MESSAGE(together[i].problem.empty(), together[i].problem);
    REQUIRE(together[i].texts.size() == 1);
    CHECK(together[i].texts[0] == in_a_session(loaded.model, turns[i]).texts[0]);
  }
}

TEST_CASE("1000 sessions that come and go leave nothing behind") {
  Loaded loaded;
  const gesso_options options = short_options();
  const int32_t ids[] = {5, 6, 7};
  int made = 0;
  for (int i = 0; i < kSessions; ++i) {
    gesso_session *session = nullptr, *fork = nullptr;
    gesso_bytes* bytes = nullptr;
    gesso_result* result = nullptr;
    const gesso_ids list = {ids, 1 + static_cast<size_t>(i) % 3};
    made += gesso_session_create(loaded.model, 1, &session) == GESSO_OK &&
            gesso_session_encode(session, &list, 1) == GESSO_OK && gesso_session_fork(session, &fork) == GESSO_OK;
    if (i % 100 == 0) {  // what costs more
      CHECK(gesso_session_generate(fork, nullptr, 0, &options, &result) == GESSO_OK);
      CHECK(gesso_session_save_bytes(session, &bytes) == GESSO_OK);
      const int32_t outside[] = {-1};
      const gesso_ids wrong = {outside, 1};
      CHECK(gesso_session_encode(session, &wrong, 1) == GESSO_ARGUMENT_ERROR);
    }
    gesso_result_free(result);
    gesso_bytes_free(bytes);
    // A fork shares the cache, and may end before or after its session.
    gesso_session_free(i % 2 == 0 ? session : fork);
    gesso_session_free(i % 2 == 0 ? fork : session);
  }
  CHECK(made == kSessions);
}
