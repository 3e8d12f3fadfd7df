// What the functions of the engine in C refuse, and the sizes of its structs.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <string>

#include "c_engine.h"

namespace {

using gesso::test::kPrompt;
using gesso::test::said;
using gesso::test::Serving;

}  // namespace

TEST_CASE("NULL for an object of an engine is an argument error") {
  Serving serving;
  gesso_request* request = nullptr;
  gesso_result* result = nullptr;
  gesso_engine* engine = nullptr;
  gesso_counters counters;
  const gesso_status statuses[] = {
      gesso_engine_create(nullptr, nullptr, &engine),
      gesso_engine_create(serving.loaded.model, nullptr, nullptr),
      gesso_engine_submit(nullptr, kPrompt, 3, nullptr, &request),
      gesso_engine_submit(serving.engine, nullptr, 3, nullptr, &request),
      gesso_engine_submit(serving.engine, kPrompt, 3, nullptr, nullptr),
      gesso_engine_submit_text(nullptr, "1", nullptr, &request),
      gesso_engine_submit_text(serving.engine, nullptr, nullptr, &request),
      gesso_engine_submit_text(serving.engine, "1", nullptr, nullptr),
      gesso_engine_run_once(nullptr, nullptr),
      gesso_engine_drain(nullptr, 0, nullptr),
      gesso_engine_close(nullptr),
      gesso_engine_forget_prefixes(nullptr),
      gesso_engine_counters(nullptr, &counters, sizeof counters),
      gesso_engine_counters(serving.engine, nullptr, sizeof counters),
      gesso_request_cancel(nullptr),
      gesso_request_wait(nullptr, 0, nullptr),
      gesso_request_result(nullptr, &result),
      gesso_request_result(serving.submit(), nullptr),
      gesso_engine_options_init(nullptr, sizeof(gesso_engine_options)),
      gesso_request_options_init(nullptr, sizeof(gesso_request_options)),
  };
  for (const gesso_status status : statuses) CHECK(status == GESSO_ARGUMENT_ERROR);
  for (const size_t length : {(SIZE_MAX / 4) + 1, (SIZE_MAX / 4) + 2, SIZE_MAX}) {  // 4 bytes each, they overflow
    CHECK(gesso_engine_submit(serving.engine, kPrompt, length, nullptr, &request) == GESSO_ARGUMENT_ERROR);
    CHECK(said("prompt_length: expected at most"));
    CHECK(gesso_generate(serving.loaded.model, kPrompt, length, nullptr, &result) == GESSO_ARGUMENT_ERROR);
  }
  CHECK(gesso_request_wait(serving.requests[0], std::nan(""), nullptr) == GESSO_ARGUMENT_ERROR);
  CHECK(gesso_engine_drain(serving.engine, std::nan(""), nullptr) == GESSO_ARGUMENT_ERROR);
  CHECK(engine == nullptr);
  CHECK(request == nullptr);
  CHECK(result == nullptr);
  CHECK(gesso_result_finish_reason(nullptr) == std::string());
  CHECK(gesso_result_num_canvases(nullptr) == 0);
  CHECK(gesso_result_completion_tokens(nullptr) == 0);
  gesso_engine_free(nullptr);
  gesso_request_free(nullptr);
}

TEST_CASE("structs of an engine have sizes, and fields that stay where they are") {
  if (sizeof(void*) == 8) {
    CHECK(offsetof(gesso_engine_options, has_thread) == 40);
    CHECK(offsetof(gesso_request_options, user_data) == 48);
    CHECK(offsetof(gesso_counters, prefix_hit_tokens) == 208);
  }
  Serving serving;
  const gesso_engine_options untouched = {};
  for (const size_t size : {size_t{0}, sizeof(gesso_engine_options) - 8, size_t{4097}}) {
    gesso_engine_options options = untouched;
    CHECK(gesso_engine_options_init(&options, size) == GESSO_ARGUMENT_ERROR);
    CHECK(options.max_queued == 0);
    options.struct_size = size;
    gesso_engine* engine = nullptr;
    CHECK(gesso_engine_create(serving.loaded.model, &options, &engine) == GESSO_ARGUMENT_ERROR);
    CHECK(said("gesso_engine_options.struct_size"));
    gesso_request_options wrong = serving.options;
    wrong.struct_size = size;
    gesso_request* request = nullptr;
    CHECK(gesso_engine_submit(serving.engine, kPrompt, 3, &wrong, &request) == GESSO_ARGUMENT_ERROR);
    CHECK(said("gesso_request_options.struct_size"));
    gesso_counters counters;
    CHECK(gesso_engine_counters(serving.engine, &counters, size) == GESSO_ARGUMENT_ERROR);
    CHECK(said("gesso_counters.struct_size"));
  }
  gesso_engine_options options;
  REQUIRE(gesso_engine_options_init(&options, sizeof options) == GESSO_OK);
  CHECK(options.max_queued == 1024);
  CHECK(options.prefix_bytes == -1);
  CHECK(options.has_thread == 1);
  gesso_engine* engine = nullptr;
  options.has_thread = 2;
  CHECK(gesso_engine_create(serving.loaded.model, &options, &engine) == GESSO_ARGUMENT_ERROR);
  CHECK(said("gesso_engine_options.has_thread: expected 0 or 1, got 2"));
  options.has_thread = 1;
  options.max_queued = -1;
  CHECK(gesso_engine_create(serving.loaded.model, &options, &engine) == GESSO_ARGUMENT_ERROR);
  CHECK(said("max_queued: expected at least 0, got -1"));
  CHECK(engine == nullptr);
  // A program of a newer header asks for counters that this version does not have.
  struct {
    gesso_counters known;
    int64_t added;
  } newer;
  std::memset(&newer, 0x5a, sizeof newer);
  REQUIRE(gesso_engine_counters(serving.engine, &newer.known, sizeof newer) == GESSO_OK);
  CHECK(newer.known.submitted == 0);
  CHECK(newer.added == 0);
}
