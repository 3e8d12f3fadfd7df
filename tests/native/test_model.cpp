// The whole path from a model to its logits, on a tiny random model. Sanitizers run it too. What is checked must hold
// for any weights.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <iterator>
#include <thread>
#include <vector>

#include "gesso/model.h"
#include "tiny_checkpoint.h"

namespace {

using gesso::tests::TinyCheckpoint;
using gesso::tests::TinySizes;
using Ids = std::vector<int32_t>;

gesso::Model tiny_model(int num_threads = 1) { return gesso::Model(TinyCheckpoint().get(), {"cpu", num_threads}); }

Ids some_ids(int64_t count, int32_t first) {
  Ids ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>((first + 5 * i) % 30 + 2));
  return ids;
}

std::vector<float> denoise(gesso::Session& session, const Ids& canvas) {
  std::vector<float> logits(TinySizes().canvas * TinySizes().vocab);
  session.denoise({canvas}, false, logits);
  return logits;
}

gesso::GenerationOptions short_options(int64_t num_canvases = 2) {
  gesso::GenerationOptions options;
  options.max_new_tokens = num_canvases * TinySizes().canvas;
  options.max_denoising_steps = 4;
  return options;
}

}  // namespace

TEST_CASE("chunks, batches and threads do not change a bit") {
  const gesso::Model model = tiny_model();
  const Ids prompt = some_ids(40, 3), canvas = some_ids(TinySizes().canvas, 11);
  gesso::Session whole(model), chunked(tiny_model(3));
  whole.encode({prompt});
  chunked.encode({Ids(prompt.begin(), prompt.begin() + 13)});
  chunked.encode({Ids(prompt.begin() + 13, prompt.end())});
  const std::vector<float> logits = denoise(whole, canvas);
  CHECK(logits == denoise(chunked, canvas));
  for (float logit : logits) CHECK(std::isfinite(logit));
}

TEST_CASE("rewinding equals never having gone there") {
  const gesso::Model model = tiny_model();
  const Ids prompt = some_ids(10, 1), canvas = some_ids(TinySizes().canvas, 2);
  for (int64_t further : {3, 300 - 150}) {  // within the sliding window's slack, and beyond it
    gesso::Session fresh(model), rewound(model);
    fresh.encode({prompt});
    rewound.encode({prompt});
    rewound.encode({some_ids(further, 7)});
    rewound.rewind({10});
    CHECK(rewound.length(0) == 10);
    CHECK(denoise(fresh, canvas) == denoise(rewound, canvas));
  }
}

TEST_CASE("a rewind past what a sliding layer keeps encodes again") {
  TinySizes sizes;
  sizes.context = 2000;
  const gesso::Model model(TinyCheckpoint(sizes).get(), {"cpu", 1});
  const Ids prompt = some_ids(10, 1), canvas = some_ids(sizes.canvas, 2);
  gesso::Session fresh(model), rewound(model);
  fresh.encode({prompt});
  rewound.encode({prompt});
  for (int turn = 0; turn < 6; ++turn) rewound.encode({some_ids(300, turn)});
  rewound.rewind({10});
  CHECK(denoise(fresh, canvas) == denoise(rewound, canvas));
}

TEST_CASE("a sequence comes out the same alone and in a batch") {
  const gesso::Model model = tiny_model();
  const std::vector<Ids> prompts = {some_ids(4, 1), some_ids(30, 9), some_ids(17, 20)};
  const gesso::GenerationResult batch = model.generate(prompts, short_options());
  for (size_t i = 0; i < prompts.size(); ++i) {
    const gesso::GenerationResult alone = model.generate({prompts[i]}, short_options());
    CHECK(alone.results[0].canvases == batch.results[i].canvases);
    CHECK(alone.results[0].denoising_steps == batch.results[i].denoising_steps);
  }
}

// What ThreadSanitizer should see: the model's constants, the threads' pool and each thread's scratch, from two
// callers.
TEST_CASE("two threads with a session each on one model get what one thread gets") {
  const gesso::Model model = tiny_model(2);
  const std::vector<Ids> prompts = {some_ids(12, 1), some_ids(31, 9)};
  const auto generate = [&](const Ids& prompt) {
    gesso::Session session(model);
    Ids ids = session.generate({prompt}, short_options()).results[0].canvases.back();
    const gesso::GenerationResult further = session.generate({}, short_options());
    for (const Ids& canvas : further.results[0].canvases) ids.insert(ids.end(), canvas.begin(), canvas.end());
    return ids;
  };
  std::vector<Ids> expected, results(2);
  for (const Ids& prompt : prompts) expected.push_back(generate(prompt));
  std::thread first([&] { results[0] = generate(prompts[0]); });
  std::thread second([&] { results[1] = generate(prompts[1]); });
  first.join();
  second.join();
  CHECK(results == expected);
  CHECK(results[0] != results[1]);
}

TEST_CASE("a session continues as one long generation would") {
  const gesso::Model model = tiny_model();
  gesso::GenerationOptions one = short_options(1);
  one.end_token_ids = Ids{};
  gesso::GenerationOptions two = short_options(2);
  two.end_token_ids = Ids{};
  gesso::Session session(model);
  const Ids first = session.generate({some_ids(9, 4)}, one).results[0].ids;
  const Ids second = session.generate({}, one).results[0].ids;
  Ids both = first;
  both.insert(both.end(), second.begin(), second.end());
  CHECK(both == model.generate({some_ids(9, 4)}, two).results[0].ids);
  CHECK(session.length(0) == 9 + 2 * TinySizes().canvas);
}

TEST_CASE("a result says what the sequence took and why it ends") {
  using gesso::FinishReason;
  const int64_t length = TinySizes().canvas;
  gesso::Session session(tiny_model(), 2);
  session.encode({some_ids(9, 4), some_ids(3, 4)});
  gesso::GenerationOptions options = short_options(2);
  options.end_token_ids = Ids{7};
  options.confidence_threshold = 0.0f;  // both first canvases settle in the same step
  gesso::PinnedTokens no_end;
  for (int64_t i = 0; i < length; ++i) no_end[i] = 8;
  options.pinned = {{{{2, 7}}}, {no_end}};
  options.seeds = {5, 6};
  // The first sequence ends in its first canvas, and the callback leaves out the second canvas of the other one.
  options.on_canvas = [](const gesso::CanvasEvent&) { return false; };
  const gesso::GenerationResult generated = session.generate({some_ids(2, 0), some_ids(1, 0)}, options);
  CHECK(generated.stopped);
  const gesso::Result &first = generated.results[0], &second = generated.results[1];
  CHECK(first.finish_reason == FinishReason::kStop);
  CHECK(second.finish_reason == FinishReason::kCancelled);
  CHECK(gesso::name_of(first.finish_reason) == "stop");
  CHECK(gesso::name_of(second.finish_reason) == "cancelled");
  CHECK(std::array{first.seed, second.seed} == std::array<uint64_t, 2>{5, 6});
  CHECK(first.prompt.size() == 11);
  CHECK(std::array{first.usage.prompt_tokens, first.usage.cached_tokens} == std::array<int64_t, 2>{11, 9});
  CHECK(std::array{second.usage.prompt_tokens, second.usage.cached_tokens} == std::array<int64_t, 2>{4, 3});
  CHECK(first.usage.completion_tokens == std::ssize(first.ids));
  CHECK(first.usage.completion_tokens <= 2);
  CHECK(second.usage.completion_tokens == length);
}

TEST_CASE("pinned tokens are committed as given") {
  gesso::GenerationOptions options = short_options(2);
  options.pinned = {{{{0, 5}, {6, 9}}, {{3, 30}}}};
  options.end_token_ids = Ids{};
  const gesso::GenerationResult result = tiny_model().generate({some_ids(5, 0)}, options);
  CHECK(result.results[0].canvases[0][0] == 5);
  CHECK(result.results[0].canvases[0][6] == 9);
  CHECK(result.results[0].canvases[1][3] == 30);
}

TEST_CASE("an interrupt leaves the session as it was") {
  const gesso::Model model = tiny_model();
  gesso::Session session(model), untouched(model);
  const Ids prompt = some_ids(20, 3), canvas = some_ids(TinySizes().canvas, 2);
  session.encode({prompt});
  untouched.encode({prompt});
  int polls = 0;
  gesso::GenerationOptions options = short_options();
  options.interrupted = [&] { return ++polls > 9; };
  CHECK_THROWS_AS(session.generate({some_ids(30, 8)}, options), gesso::Interrupted);
  CHECK_THROWS_AS(session.encode({some_ids(60, 8)}, [] { return true; }), gesso::Interrupted);
  CHECK(session.length(0) == 20);
  CHECK(denoise(session, canvas) == denoise(untouched, canvas));
}

TEST_CASE("activations of the CPU: int8 unless float32 is asked for") {
  const TinyCheckpoint checkpoint;
  CHECK(tiny_model().activations() == "int8");
  for (const char* name : {"f32", "int8"}) {
    CHECK(gesso::Model(checkpoint.get(), {"cpu", 1, name}).activations() == name);
  }
  CHECK_THROWS_WITH_AS(gesso::Model(checkpoint.get(), {"cpu", 1, "bf16"}), doctest::Contains("\"f32\" and \"int8\""),
                       gesso::ArgumentError);
}

TEST_CASE("bad input is refused by name") {
  const gesso::Model model = tiny_model();
  gesso::Session session(model);
  CHECK_THROWS_WITH_AS(session.encode({{}}), doctest::Contains("empty"), gesso::ArgumentError);
  CHECK_THROWS_WITH_AS(session.encode({{37}}), doctest::Contains("vocabulary"), gesso::ArgumentError);
  CHECK_THROWS_WITH_AS(session.encode({some_ids(201, 0)}), doctest::Contains("context"), gesso::ArgumentError);
  CHECK_THROWS_WITH_AS(session.rewind({1}), doctest::Contains("rewind"), gesso::ArgumentError);
  gesso::GenerationOptions options;
  options.t_min = NAN;
  CHECK_THROWS_WITH_AS(model.generate({{3}}, options), doctest::Contains("t_min"), gesso::ArgumentError);
}

TEST_CASE("the announced cache size bounds the real one") {
  TinySizes sizes;
  sizes.context = 2000;
  const gesso::Model model(TinyCheckpoint(sizes).get(), {"cpu", 1});
  gesso::Session session(model);
  for (int64_t length = 0; length < 1500; length += 300) {
    session.encode({some_ids(300, 1)});
    CHECK(session.cache_bytes() <= gesso::cache_bytes(model.config(), length + 300));
  }
  CHECK(session.cache_bytes() * 2 > gesso::cache_bytes(model.config(), 1500));
  CHECK(gesso::scratch_bytes(model.config()) > 0);
}
