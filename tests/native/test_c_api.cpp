// The C interface: its statuses and messages. No call may let an exception escape.
#include <doctest/doctest.h>

#include <cstring>

#include "gesso/gesso.h"

TEST_CASE("a missing file is an I/O error with a message") {
  gesso_model* model = nullptr;
  CHECK(gesso_model_load("/no/such/file.gguf", nullptr, &model) == GESSO_IO_ERROR);
  CHECK(model == nullptr);
  CHECK(std::strstr(gesso_last_error(), "/no/such/file.gguf") != nullptr);
}

TEST_CASE("NULL arguments are argument errors") {
  gesso_model* model = nullptr;
  gesso_result* result = nullptr;
  size_t count = 7;
  CHECK(gesso_model_load(nullptr, nullptr, &model) == GESSO_ARGUMENT_ERROR);
  CHECK(gesso_model_load("x", nullptr, nullptr) == GESSO_ARGUMENT_ERROR);
  CHECK(gesso_generate_text(nullptr, "x", nullptr, &result) == GESSO_ARGUMENT_ERROR);
  CHECK(std::strstr(gesso_last_error(), "model") != nullptr);
  CHECK(gesso_encode(nullptr, "x", nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(count == 7);
  CHECK(gesso_result_ids(nullptr, &count) == nullptr);
  CHECK(count == 0);
  gesso_model_free(nullptr);
  gesso_result_free(nullptr);
}
