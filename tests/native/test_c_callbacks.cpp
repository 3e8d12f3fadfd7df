// Callbacks of the C interface: what they may do to their own generation.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "c_model.h"
#include "gesso/gesso.h"
#include "gesso/model.h"

namespace {

using gesso::test::kPrompt;
using gesso::test::Loaded;
using gesso::test::said;

// What a callback does to its own generation.
struct Meddling {
  gesso_model* model = nullptr;
  gesso_options* options = nullptr;
  gesso_result* inner = nullptr;
  int num_steps = 0;
};

// Frees the model, wipes the options, and generates with the model first.
int meddle(void* user_data, int64_t, int64_t, const int32_t*, const uint8_t*, size_t) {
  auto& meddling = *static_cast<Meddling*>(user_data);
  if (meddling.num_steps++ > 0) return 1;
  gesso_options inner;
  CHECK(gesso_options_init(&inner, sizeof inner) == GESSO_OK);
  inner.max_new_tokens = 1;
  inner.max_denoising_steps = meddling.options->max_denoising_steps;
  CHECK(gesso_generate(meddling.model, kPrompt, 3, &inner, &meddling.inner) == GESSO_OK);
  gesso_model_free(meddling.model);
  std::memset(meddling.options, 0x5a, sizeof *meddling.options);
  return 1;
}

int throw_busy(void*, int64_t, int64_t, const int32_t*, const uint8_t*, size_t) {
  throw gesso::BusyError("generate: the session is busy");
}

}  // namespace

TEST_CASE("a callback may generate with its model, free it, and change the options") {
  Loaded loaded;
  gesso_options options;
  REQUIRE(gesso_options_init(&options, sizeof options) == GESSO_OK);
  options.max_new_tokens = 1;
  REQUIRE(loaded.generate(&options) == GESSO_OK);
  Meddling meddling{loaded.model, &options};
  options.on_step = meddle;
  options.user_data = &meddling;
  std::vector<int32_t> prompt(kPrompt, kPrompt + 3);
  gesso_result* result = nullptr;
  REQUIRE(gesso_generate(std::exchange(loaded.model, nullptr), prompt.data(), 3, &options, &result) == GESSO_OK);
  for (gesso_result* each : {result, meddling.inner}) {
    size_t count = 0;
    const int32_t* first = gesso_result_ids(each, &count);
    CHECK(std::vector<int32_t>(first, first + count) == loaded.ids);
    gesso_result_free(each);
  }
  CHECK(meddling.num_steps > 1);
}

TEST_CASE("a text's generation keeps the tokenizer of the model that its callback frees") {
  Loaded loaded(GESSO_BUNDLED_MODEL);
  gesso_options options;
  REQUIRE(gesso_options_init(&options, sizeof options) == GESSO_OK);
  options.max_new_tokens = 1;
  options.max_denoising_steps = 1;
  gesso_result* result = nullptr;
  REQUIRE(gesso_generate_text(loaded.model, "12", &options, &result) == GESSO_OK);
  const std::string expected = gesso_result_text(result);
  gesso_result_free(result);
  Meddling meddling{loaded.model, &options};
  options.on_step = meddle;
  options.user_data = &meddling;
  REQUIRE(gesso_generate_text(std::exchange(loaded.model, nullptr), "12", &options, &result) == GESSO_OK);
  CHECK(gesso_result_text(result) == expected);
  gesso_result_free(result);
  gesso_result_free(meddling.inner);
}

TEST_CASE("a callback in C++ that throws ends the call with a status of its own") {
  Loaded loaded;
  gesso_options options;
  REQUIRE(gesso_options_init(&options, sizeof options) == GESSO_OK);
  options.on_step = throw_busy;
  CHECK(loaded.generate(&options) == GESSO_BUSY_ERROR);
  CHECK(said("the session is busy"));
}
