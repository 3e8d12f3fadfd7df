// What requests share of their prompts.
#include <doctest/doctest.h>

#include <vector>

#include "core/random.h"
#include "engine_helpers.h"

namespace {

using namespace gesso::tests;
using gesso::Engine;
using gesso::EngineCounters;
using gesso::Request;

constexpr int64_t kShared = 2048;  // tokens, 32 blocks of 64
constexpr int64_t kRequests = 32;

TinySizes sizes() {
  TinySizes sizes;
  sizes.context = 3000;
  sizes.canvas = 64;
  sizes.window = 100;
  return sizes;
}

// All prompts begin with the same tokens. Prompt i has 2 * i + 1 of its own, 63 at most.
std::vector<Ids> prompts() {
  std::vector<Ids> all(kRequests);
  for (int64_t i = 0; i < kRequests; ++i) {
    for (int64_t p = 0; p < kShared + 2 * i + 1; ++p) {
      const uint64_t text = p < kShared ? 1000 : i;
      all[i].push_back(gesso::uniform_id({text, p, 0}, gesso::Draw::kInitialCanvas, sizes().vocab));
    }
    all[i][kShared] = static_cast<int32_t>(i);
  }
  return all;
}

gesso::RequestOptions one_canvas() {
  gesso::RequestOptions options = canvases(1, 2);
  options.generation.max_new_tokens = sizes().canvas;
  return options;
}

void check_encoded_once(const EngineCounters& counters, const std::vector<Request>& requests) {
  int64_t own = 0;
  for (int64_t i = 0; i < kRequests; ++i) {
    own += 2 * i + 1;
    CHECK(requests[i].result().usage.cached_tokens == (i == 0 ? 0 : kShared));
  }
  CHECK(counters.prompt_rows == kShared + own);
  CHECK(counters.prefix_hits == kRequests - 1);
  CHECK(counters.prefix_hit_tokens == (kRequests - 1) * kShared);
}

}  // namespace

TEST_CASE("a common beginning of 32 prompts is encoded once, also when all are submitted at once") {
  const gesso::Model model = tiny_model(sizes());
  const std::vector<Ids> all = prompts();
  for (const bool at_once : {false, true}) {
    CAPTURE(at_once);
    Engine engine(model, without_thread());
    std::vector<Request> requests;
    for (const Ids& prompt : all) {
      requests.push_back(engine.submit(prompt, one_canvas()));
      if (!at_once) engine.drain();
    }
    engine.drain();
    check_encoded_once(engine.counters(), requests);
    for (const int64_t i : {0, 1, 31}) check_same(requests[i].result(), alone(model, all[i], one_canvas()));
  }
}

// The prompts leave the common beginning far before their ends, where the first one has no ring. The second one leaves
// a ring there.
TEST_CASE("the third prompt that leaves a text at a place has only its own part to encode") {
  const gesso::Model model = tiny_model(sizes());
  Engine engine(model, without_thread());
  const Ids text = prompts()[31];
  std::vector<int64_t> cached;
  for (int32_t i = 0; i < 3; ++i) {
    Ids prompt(text.begin(), text.begin() + 64 * 5);
    prompt.insert(prompt.end(), 64 * 20, i);
    const Request request = engine.submit(prompt, one_canvas());
    check_same(request.result(), alone(model, prompt, one_canvas()));
    cached.push_back(request.result().usage.cached_tokens);
  }
  CHECK(cached == std::vector<int64_t>{0, 0, 64 * 5});
}

// The last canvas of a reply is encoded by nobody, so the next turn begins behind the one before.
TEST_CASE("the next turn of a conversation finds the prompt and the canvases before the last") {
  const gesso::Model model = tiny_model(sizes());
  Engine engine(model, without_thread());
  gesso::RequestOptions options = one_canvas();
  options.generation.max_new_tokens = 4 * sizes().canvas;
  Ids prompt = prompts()[0];
  prompt.resize(100);
  for (int64_t turn = 0; turn < 3; ++turn) {
    const gesso::Result result = engine.submit(prompt, options).result();
    check_same(result, alone(model, prompt, options));
    CHECK(result.usage.cached_tokens == (turn == 0 ? 0 : (std::ssize(prompt) - 2 - 64) / 64 * 64));
    prompt.insert(prompt.end(), result.ids.begin(), result.ids.end());
    prompt.insert(prompt.end(), {1, 2});
  }
}
