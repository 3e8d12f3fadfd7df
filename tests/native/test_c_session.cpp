// Sessions in C: they compute, bit for bit, what sessions in C++ compute.
#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "c_session.h"
#include "gesso/model.h"

namespace {

using gesso::test::Ids;
using gesso::test::InC;
using gesso::test::kModel;
using gesso::test::Loaded;
using gesso::test::said;
using gesso::test::short_options;

gesso::Model model_in_cpp() { return gesso::Model::load(kModel, {"cpu", 1}); }

gesso::GenerationOptions short_options_in_cpp(int64_t num_tokens = 1) {
  gesso::GenerationOptions options;
  options.max_new_tokens = num_tokens;
  options.max_denoising_steps = 3;
  return options;
}

std::vector<Ids> texts_of(const gesso::GenerationResult& generated) {
  std::vector<Ids> texts;
  for (const gesso::Result& result : generated.results) texts.push_back(result.ids);
  return texts;
}

}  // namespace

TEST_CASE("a session in C goes through a conversation as one in C++") {
  Loaded loaded;
  InC session(loaded.model, 2);
  gesso::Session same(model_in_cpp(), 2);
  gesso_options options = short_options();
  gesso::GenerationOptions same_options = short_options_in_cpp();
  const uint64_t seeds[] = {3, 4};
  options.seeds = seeds;
  options.num_seeds = 2;
  same_options.seeds = {3, 4};
  CHECK(gesso_session_batch_size(session.session) == 2);
  const std::vector<Ids> prompt = {{5, 6, 7}, {8}};
  REQUIRE(session.encode(prompt) == GESSO_OK);
  same.encode(prompt);
  for (const std::vector<Ids>& turn : {std::vector<Ids>{}, std::vector<Ids>{{9}, {}}}) {
    REQUIRE(session.generate(turn, &options) == GESSO_OK);
    CHECK(session.texts == texts_of(same.generate(turn, same_options)));
    CHECK(session.texts[0] != session.texts[1]);
  }
  for (const int64_t i : {0, 1}) {
    int64_t length = 0;
    REQUIRE(gesso_session_length(session.session, i, &length) == GESSO_OK);
    CHECK(length == same.length(i));
    CHECK(session.ids(i) == same.ids(i));
  }
  int64_t cache_bytes = 0;
  REQUIRE(gesso_session_cache_bytes(session.session, &cache_bytes) == GESSO_OK);
  CHECK(cache_bytes == same.cache_bytes());

  const int64_t one_length = 2, lengths[] = {1, 0};
  REQUIRE(gesso_session_rewind(session.session, lengths, 2) == GESSO_OK);
  CHECK(session.ids(0) == Ids{5});
  CHECK(session.ids(1) == Ids{});
  CHECK(gesso_session_rewind(session.session, &one_length, 1) == GESSO_ARGUMENT_ERROR);
  CHECK(said("rewind: sequence 0 has 1 tokens, cannot go to 2"));
}

TEST_CASE("denoising in C gives the logits of C++, also from those of the step before") {
  Loaded loaded;
  InC session(loaded.model);
  gesso::Session same(model_in_cpp());
  REQUIRE(session.encode({{5, 6}}) == GESSO_OK);
  same.encode({{5, 6}});
  const auto length = static_cast<size_t>(gesso_model_canvas_length(loaded.model));
  const size_t num_logits = length * static_cast<size_t>(gesso_model_vocab_size(loaded.model));
  const Ids canvas(length, 3);
  std::vector<float> logits(num_logits, 7.0f), expected = logits;
  for (const int has_self_conditioning : {0, 1}) {
    REQUIRE(gesso_session_denoise(session.session, canvas.data(), length, has_self_conditioning, logits.data(),
                                  num_logits) == GESSO_OK);
    same.denoise({canvas}, has_self_conditioning != 0, expected);
    CHECK(std::memcmp(logits.data(), expected.data(), num_logits * sizeof(float)) == 0);
  }
  const auto refused = [&](size_t num_ids, int flag, size_t num_given, const char* text) {
    CHECK(gesso_session_denoise(session.session, canvas.data(), num_ids, flag, logits.data(), num_given) ==
          GESSO_ARGUMENT_ERROR);
    CHECK(said(text));
  };
  refused(length - 1, 0, num_logits, "num_canvas_ids: expected");
  refused(SIZE_MAX / length * length, 0, num_logits, "num_canvas_ids: expected");
  refused(0, 0, num_logits, "canvas: expected one entry per sequence");
  refused(length, 2, num_logits, "has_self_conditioning: expected 0 or 1, got 2");
  refused(length, 0, num_logits - 1, "logits: expected");
  refused(length, 0, SIZE_MAX, "logits: expected");
}

TEST_CASE("lists of options reach a generation: pins, a warm start, end tokens") {
  Loaded loaded;
  const int64_t length = gesso_model_canvas_length(loaded.model);
  InC session(loaded.model, 2);
  gesso::Session same(model_in_cpp(), 2);
  gesso_options options = short_options(length + 1);
  gesso::GenerationOptions same_options = short_options_in_cpp(length + 1);
  const gesso_pin pins[] = {{1, 0, 2, 11}, {0, 1, 0, 12}, {1, 0, 0, 13}};
  const Ids warm(static_cast<size_t>(2 * length), 9);
  const int32_t end = 13;
  options.pins = pins;
  options.num_pins = 3;
  options.canvas = warm.data();
  options.num_canvas_ids = warm.size();
  options.end_token_ids = &end;
  options.num_end_token_ids = 1;
  same_options.pinned = {{{}, {{0, 12}}}, {{{0, 13}, {2, 11}}}};
  same_options.canvas.assign(2, Ids(static_cast<size_t>(length), 9));
  same_options.end_token_ids = Ids{13};
  REQUIRE(session.generate({{5}, {6}}, &options) == GESSO_OK);
  CHECK(session.texts == texts_of(same.generate({{5}, {6}}, same_options)));
  CHECK(session.texts[0].size() > static_cast<size_t>(length));
  CHECK(session.texts[0][static_cast<size_t>(length)] == 12);
  CHECK(session.texts[1].empty());  // its first token is pinned to the end token
  options.num_end_token_ids = 0;    // no token ends a text
  REQUIRE(session.generate({{5}, {6}}, &options) == GESSO_OK);
  CHECK(session.texts[1].size() == static_cast<size_t>(length + 1));
}

TEST_CASE("lists of options that cannot be are refused with what is wrong") {
  Loaded loaded;
  InC session(loaded.model);
  const auto refused = [&](const std::string& text, auto change) {
    gesso_options options = short_options();
    change(options);
    CHECK(session.generate({{5}}, &options) == GESSO_ARGUMENT_ERROR);
    CHECK_MESSAGE(said(text), gesso_last_error());
    CHECK(session.ids().empty());
  };
  static const int32_t kId = 1000000;
  static const uint64_t kSeeds[] = {1, 2};
  refused("end_token_ids: expected a list, got NULL and a length of 1", [](auto& o) { o.num_end_token_ids = 1; });
  refused("end_token_ids: token id 1000000", [](auto& o) { o.end_token_ids = &kId, o.num_end_token_ids = 1; });
  refused("end_token_ids: expected at most", [](auto& o) { o.end_token_ids = &kId, o.num_end_token_ids = SIZE_MAX; });
  refused("seed: expected one, or one per sequence (1), got 2", [](auto& o) { o.seeds = kSeeds, o.num_seeds = 2; });
  refused("seeds: expected at most", [](auto& o) { o.seeds = kSeeds, o.num_seeds = SIZE_MAX / 8 + 2; });
  refused("num_canvas_ids: expected", [](auto& o) { o.canvas = &kId, o.num_canvas_ids = 1; });
  refused("canvas: expected a list", [](auto& o) { o.num_canvas_ids = 1; });
  refused("pins: expected a list", [](auto& o) { o.num_pins = 1; });
  const auto pinned = [&](const std::string& text, const std::vector<gesso_pin>& pins) {
    refused(text, [&](auto& o) { o.pins = pins.data(), o.num_pins = pins.size(); });
  };
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  pinned("pins: expected a sequence from 0 to 0, got 1", {{1, 0, 0, 1}});
  pinned("pins: expected a sequence from 0 to 0, got -1", {{-1, 0, 0, 1}});
  pinned("pins: expected a canvas from 0 to 0, got 1", {{0, 1, 0, 1}});
  pinned("pins: expected a canvas from 0 to 0, got " + std::to_string(kHuge), {{0, kHuge, 0, 1}});
  pinned("pinned: position " + std::to_string(kHuge), {{0, 0, kHuge, 1}});
  pinned("pinned: position -1 outside the canvas", {{0, 0, -1, 1}});
  pinned("pins: token id 4294967297", {{0, 0, 0, (int64_t{1} << 32) + 1}});
  pinned("pinned: token id 1000000 outside the vocabulary", {{0, 0, 0, kId}});
  pinned("pins: position 3 of canvas 0 is there twice", {{0, 0, 3, 1}, {0, 0, 3, 1}});
}

TEST_CASE("a session refuses lists that do not fit its batch") {
  Loaded loaded;
  InC session(loaded.model, 2);
  CHECK(session.encode({{5}}) == GESSO_ARGUMENT_ERROR);
  CHECK(said("ids: expected one entry per sequence (2), got 1"));
  CHECK(session.generate({{5}, {6}, {7}}, nullptr) == GESSO_ARGUMENT_ERROR);
  const gesso_ids nothing[] = {{nullptr, 1}, {nullptr, 0}};
  CHECK(gesso_session_encode(session.session, nothing, 2) == GESSO_ARGUMENT_ERROR);
  CHECK(said("ids: expected an object, got NULL"));
  CHECK(gesso_session_encode(session.session, nothing, SIZE_MAX) == GESSO_ARGUMENT_ERROR);
  CHECK(said("num_lists: expected at most 4096"));
  size_t count = 7;
  CHECK(gesso_session_ids(session.session, 2, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(gesso_session_ids(session.session, -1, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(count == 7);
  gesso_session* made = nullptr;
  for (const int64_t batch_size : {int64_t{0}, int64_t{-1}, int64_t{4097}, std::numeric_limits<int64_t>::max()}) {
    CHECK(gesso_session_create(loaded.model, batch_size, &made) == GESSO_ARGUMENT_ERROR);
    CHECK(said("batch_size: expected 1 to 4096"));
  }
  CHECK(made == nullptr);
}

TEST_CASE("a list of ids is written as far as there is room") {
  Loaded loaded;
  InC session(loaded.model);
  REQUIRE(session.encode({{5, 6, 7}}) == GESSO_OK);
  Ids room(3, -1);
  size_t count = 0;
  REQUIRE(gesso_session_ids(session.session, 0, room.data(), 2, &count) == GESSO_OK);
  CHECK(count == 3);
  CHECK(room == Ids{5, 6, -1});
}

TEST_CASE("forks go on by themselves, also in two threads, and when their model was freed") {
  Loaded loaded;
  InC session(loaded.model);
  REQUIRE(session.encode({{5, 6, 7}}) == GESSO_OK);
  gesso_session* made = nullptr;
  REQUIRE(gesso_session_fork(session.session, &made) == GESSO_OK);
  InC fork(made);
  gesso_model_free(std::exchange(loaded.model, nullptr));
  const gesso_options options = short_options();
  gesso_options other = options;
  other.seed = 5;
  std::thread thread([&] { CHECK(fork.generate({}, &other) == GESSO_OK); });
  CHECK(session.generate({}, &options) == GESSO_OK);
  thread.join();
  CHECK(session.texts != fork.texts);
  gesso::Session same(model_in_cpp());
  gesso::GenerationOptions same_options = short_options_in_cpp();
  same_options.seeds = {5};
  CHECK(fork.texts == texts_of(same.generate({{5, 6, 7}}, same_options)));
}

TEST_CASE("a result in C has what the result in C++ has") {
  Loaded loaded;
  const int64_t length = gesso_model_canvas_length(loaded.model);
  gesso_options options = short_options(length + 1);
  options.seed = 21;
  gesso_result* result = nullptr;
  REQUIRE(gesso_generate(loaded.model, gesso::test::kPrompt, 3, &options, &result) == GESSO_OK);
  gesso::GenerationOptions same_options = short_options_in_cpp(length + 1);
  same_options.seeds = {21};
  const gesso::Result same = model_in_cpp().generate({{5, 6, 7}}, same_options).results[0];
  size_t count = 0;
  const int32_t* prompt = gesso_result_prompt(result, &count);
  CHECK(Ids(prompt, prompt + count) == Ids{5, 6, 7});
  CHECK(gesso_result_seed(result) == 21);
  CHECK(gesso_result_tokens_per_forward(result) == same.tokens_per_forward);
  for (const int64_t i : {0, 1}) CHECK(gesso_result_canvas_steps(result, i) == same.denoising_steps[i]);
  CHECK(gesso_result_canvas_steps(result, 2) == 0);
  CHECK(gesso_result_canvas_steps(result, -1) == 0);
  gesso_timings timings;
  REQUIRE(gesso_result_timings(result, &timings, sizeof timings) == GESSO_OK);
  CHECK(timings.steps == gesso_result_denoising_steps(result));
  double sum = 0;
  for (int64_t i = 0; i < timings.steps; ++i) sum += timings.step_ms[i];
  CHECK(sum > 0);
  CHECK(timings.denoise_ms > 0);
  CHECK(timings.first_canvas_ms > 0);
  gesso_result_free(result);
}
