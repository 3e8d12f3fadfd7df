// Memory and failures: admission, the prefix cache, numbers that are not finite.
#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "engine_helpers.h"

namespace {

using namespace gesso::tests;
using gesso::Engine;
using gesso::EngineCounters;
using gesso::Request;
using gesso::RequestOptions;

TinySizes long_context() {
  TinySizes sizes;
  sizes.context = 900;
  return sizes;
}

// The numbers of requests that the counters know.
int64_t num_ended(const EngineCounters& c) {
  return c.stopped + c.full_length + c.cancelled + c.late + c.exceeded + c.failed;
}

}  // namespace

TEST_CASE("a request that can never fit is refused, and the others run one after the other where only one fits") {
  const gesso::Model model = tiny_model(long_context());
  const auto bytes = [&](int64_t length) { return gesso::cache_bytes(model.config(), length); };
  gesso::EngineOptions options = without_thread();
  options.prefix_bytes = 0;
  options.memory_bytes = bytes(700);
  Engine engine(model, options);
  CHECK_THROWS_WITH_AS(engine.submit(Ids(880, 5), canvases(1)), doctest::Contains("memory_bytes"), gesso::OutOfMemory);
  try {
    engine.submit(Ids(880, 5), canvases(1));
  } catch (const gesso::OutOfMemory& error) {
    CHECK(error.asked_bytes > error.free_bytes);
    CHECK(error.free_bytes == static_cast<uint64_t>(options.memory_bytes));
  }
  CHECK(engine.counters().submitted == 0);

  std::vector<Request> requests;
  for (int i = 0; i < 3; ++i) requests.push_back(engine.submit(Ids(400, 5 + i), canvases(2)));
  for (int64_t ended = 0; engine.run_once();) {
    const EngineCounters counters = engine.counters();
    CHECK(counters.running <= 1);
    CHECK(counters.cache_bytes <= options.memory_bytes);
    CHECK(num_ended(counters) >= ended);
    ended = num_ended(counters);
    CHECK(counters.waiting + counters.running + ended == counters.submitted);
  }
  for (int i = 0; i < 3; ++i) check_same(requests[i].result(), alone(model, Ids(400, 5 + i), canvases(2)));

  // Small ones do not overtake a large one that waits for memory.
  const Request first = engine.submit(Ids(400, 5), canvases(2)), large = engine.submit(Ids(600, 5), canvases(1));
  const Request small = engine.submit({5}, canvases(1, 1));
  engine.run_once();
  engine.run_once();
  CHECK(engine.counters().running == 1);
  CHECK(!small.is_done());
  engine.drain();
  CHECK(first.is_done());
  check_same(large.result(), alone(model, Ids(600, 5), canvases(1)));
}

TEST_CASE("requests with a common prefix encode it once, and the cache can be forgotten") {
  const gesso::Model model = tiny_model(long_context());
  Ids prefix;
  for (int i = 0; i < 30 * 7; ++i) prefix.push_back(static_cast<int32_t>(2 + i * i % 35));
  const auto prompt = [&](int i) {
    Ids ids = prefix;
    ids.push_back(3 + i);
    return ids;
  };
  Engine engine(model, without_thread());
  std::vector<Request> requests;
  for (int i = 0; i < 6; ++i) requests.push_back(engine.submit(prompt(i), canvases(1)));
  engine.drain();
  CHECK(engine.counters().prompt_rows == std::ssize(prefix) + 6);
  CHECK(engine.counters().prefix_hits == 5);
  CHECK(engine.counters().prefix_hit_tokens == 5 * std::ssize(prefix));
  for (int i = 0; i < 6; ++i) check_same(requests[i].result(), alone(model, prompt(i), canvases(1)));
  CHECK(requests[5].result().usage.cached_tokens == std::ssize(prefix));

  // A session that has the prefix itself neither waits for another request nor restores anything.
  gesso::Session session(model);
  session.encode({Ids(prefix.begin(), prefix.begin() + 100)});
  engine.forget_prefixes();
  CHECK(engine.counters().prefix_bytes == 0);
  const Request encoding = engine.submit(prompt(7), canvases(1));
  const Request continued = engine.submit(session, Ids(prefix.begin() + 100, prefix.end()), canvases(1));
  engine.run_once();
  CHECK(engine.counters().running == 2);
  check_same(continued.result(), alone(model, prefix, canvases(1)));
  CHECK(continued.result().usage.cached_tokens == 100);
  check_same(encoding.result(), alone(model, prompt(7), canvases(1)));

  CHECK(engine.counters().prefix_bytes > 0);
  Engine threaded(model, with_thread());
  threaded.submit(prompt(1), canvases(1)).wait();
  threaded.forget_prefixes();
  while (threaded.counters().prefix_bytes > 0) std::this_thread::yield();
  check_same(threaded.submit(prompt(1), canvases(1)).result(), alone(model, prompt(1), canvases(1)));
}

// The last request's soft embedding moves when the one before it leaves the pass. Were it left behind, its later steps
// would differ.
TEST_CASE("numbers that are not finite end one request, and the others write what they write alone") {
  TinySizes sizes;
  sizes.vocab = 257;
  sizes.broken_token = 200;
  const gesso::Model model = tiny_model(sizes);
  const auto cold = [](uint64_t seed) {
    RequestOptions options = canvases(2, 5, seed);
    options.generation.t_min = options.generation.t_max = 0.1f;
    return options;
  };
  // Seeds whose noise does not have the broken token.
  std::vector<uint64_t> seeds;
  for (uint64_t seed = 0; seeds.size() < 4 && seed < 50; ++seed) {
    try {
      alone(model, {5, 6}, cold(seed));
      seeds.push_back(seed);
    } catch (const gesso::NumericsError&) {
    }
  }
  REQUIRE(seeds.size() == 4);

  const Ids broken = {5, 200, 6};
  CHECK_THROWS_AS(alone(model, broken, cold(0)), gesso::NumericsError);
  for (const bool is_late : {false, true}) {
    CAPTURE(is_late);
    Engine engine(model, without_thread());
    gesso::Session session(model);
    session.encode({{7, 8}});
    std::vector<Request> sound, failing;
    sound.push_back(engine.submit({5, 6}, cold(seeds[0])));
    if (is_late) engine.run_once();
    failing.push_back(engine.submit(broken, cold(0)));
    sound.push_back(engine.submit({5, 6}, cold(seeds[1])));
    failing.push_back(engine.submit(session, broken, cold(1)));
    if (is_late) engine.run_once();
    sound.push_back(engine.submit({5, 6}, cold(seeds[2])));
    sound.push_back(engine.submit({5, 6}, cold(seeds[3])));
    engine.drain();
    for (const Request& request : failing) {
      try {
        request.result();
        FAIL("it has a result");
      } catch (const gesso::NumericsError& error) {
        CHECK(error.canvas == 0);
        CHECK(error.step == 0);
        CHECK(error.place == "the embedding, when the text before the canvas was encoded");
      }
    }
    CHECK(session.ids(0) == Ids{7, 8});
    for (size_t i = 0; i < sound.size(); ++i) check_same(sound[i].result(), alone(model, {5, 6}, cold(seeds[i])));
    CHECK(engine.counters().failed == 2);
    CHECK(engine.counters().full_length == 4);
    CHECK(engine.counters().cache_bytes == 0);
    check_same(engine.submit(session, {9}, cold(seeds[0])).result(), alone(model, {7, 8, 9}, cold(seeds[0])));
  }
}
