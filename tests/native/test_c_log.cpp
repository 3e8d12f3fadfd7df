// The log of the C interface.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "c_model.h"
#include "gesso/gesso.h"

namespace {

using gesso::test::Loaded;
using Messages = std::vector<std::pair<gesso_log_level, std::string>>;

void keep(void* user_data, gesso_log_level level, const char* message) {
  static_cast<Messages*>(user_data)->push_back({level, message});
}

void has(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) CHECK_MESSAGE(message.find(part) != std::string::npos, message);
}

}  // namespace

TEST_CASE("loading a file says what was opened and what the model is") {
  Messages messages;
  REQUIRE(gesso_set_log_callback(keep, &messages, GESSO_LOG_INFO) == GESSO_OK);
  const Loaded loaded;
  REQUIRE(gesso_set_log_callback(nullptr, nullptr, GESSO_LOG_INFO) == GESSO_OK);
  REQUIRE(messages.size() >= 2);
  for (const auto& message : messages) CHECK(message.first == GESSO_LOG_INFO);
  has(messages[0].second, {"opened " + gesso::test::kModel + ": ", " in 1 file, ", " tensors, mapped in "});
  const std::string canvas = std::to_string(gesso_model_canvas_length(loaded.model));
  has(messages[1].second,
      {"loaded a model in ", "canvases of " + canvas + " tokens", "on cpu with int8 activations", "1 thread"});
}

TEST_CASE("a log callback gets the levels that it wants, until it is NULL") {
  Messages messages;
  REQUIRE(gesso_set_log_callback(keep, &messages, GESSO_LOG_DEBUG) == GESSO_OK);
  Loaded loaded;
  gesso_options options;
  REQUIRE(gesso_options_init(&options, sizeof options) == GESSO_OK);
  options.max_new_tokens = 1;
  options.max_denoising_steps = 2;
  REQUIRE(loaded.generate(&options) == GESSO_OK);
  REQUIRE(!messages.empty());
  CHECK(messages.back().first == GESSO_LOG_DEBUG);
  has(messages.back().second, {"a pass took ", " canvas"});
  messages.clear();
  REQUIRE(gesso_set_log_callback(keep, &messages, GESSO_LOG_WARNING) == GESSO_OK);
  { const Loaded again; }
  CHECK(messages.empty());
  CHECK(gesso_set_log_callback(keep, &messages, 7) == GESSO_ARGUMENT_ERROR);
  CHECK(gesso::test::said("expected a level from 1 (debug) to 3 (warning), got 7"));
  REQUIRE(gesso_set_log_callback(nullptr, nullptr, GESSO_LOG_DEBUG) == GESSO_OK);
  { const Loaded again; }
  CHECK(messages.empty());
}
