// Calls in C that a poll ends wherever it is asked: while a prompt is read and encoded, between steps, and while a
// saved session is loaded.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "c_session.h"

namespace {

using gesso::test::Ids;
using gesso::test::ids_of;
using gesso::test::InC;
using gesso::test::Loaded;
using gesso::test::said;
using gesso::test::short_options;

// Says yes so many times.
struct Poll {
  int64_t allowed = 0;
  int64_t asked = 0;
  int64_t steps = 0;  // for callbacks that count them

  static int ask(void* user_data) {
    auto& poll = *static_cast<Poll*>(user_data);
    return poll.asked++ < poll.allowed;
  }
};

// Makes a call with polls that end it at the first question, at the second, and so on, until it is not ended any more.
// How many it was ended by.
template <typename Call>
int64_t end_everywhere(const Call& call) {
  for (int64_t allowed = 0;; ++allowed) {
    Poll poll{allowed};
    const gesso_status status = call(poll);
    if (status == GESSO_OK) {
      CHECK(poll.asked <= allowed);
      return allowed;
    }
    CHECK(status == GESSO_INTERRUPTED);
    CHECK(said("interrupted by the caller"));
    CHECK(poll.asked == allowed + 1);
    if (status != GESSO_INTERRUPTED) return 0;
  }
}

gesso_options polled(Poll& poll) {
  gesso_options options = short_options();
  options.on_poll = Poll::ask;
  options.user_data = &poll;
  return options;
}

}  // namespace

TEST_CASE("a poll ends a generation wherever it is asked, also before its first step") {
  Loaded loaded;
  const std::vector<int32_t> prompt(200, 5);
  const gesso_options plain = short_options();
  gesso_result* expected = nullptr;
  REQUIRE(gesso_generate(loaded.model, prompt.data(), prompt.size(), &plain, &expected) == GESSO_OK);
  gesso_result* result = nullptr;
  int64_t ended_without_steps = 0;
  const int64_t ended = end_everywhere([&](Poll& poll) {
    gesso_options options = polled(poll);
    options.on_step = [](void* user_data, int64_t, int64_t, const int32_t*, const uint8_t*, size_t) {
      ++static_cast<Poll*>(user_data)->steps;
      return 1;
    };
    const gesso_status status = gesso_generate(loaded.model, prompt.data(), prompt.size(), &options, &result);
    ended_without_steps += status == GESSO_INTERRUPTED && poll.steps == 0;
    CHECK((result == nullptr) == (status != GESSO_OK));
    return status;
  });
  CHECK(ended > 1);
  CHECK(ended_without_steps > 0);
  CHECK(ids_of(result) == ids_of(expected));
  gesso_result_free(result);
  gesso_result_free(expected);
}

TEST_CASE("a poll ends a generation while its text is read") {
  Loaded loaded(GESSO_BUNDLED_MODEL);
  const std::string prompt(50, '1');
  gesso_result* result = nullptr;
  CHECK(end_everywhere([&](Poll& poll) {
          const gesso_options options = polled(poll);
          return gesso_generate_text(loaded.model, prompt.c_str(), &options, &result);
        }) > 1);
  CHECK(gesso_result_text(result) != nullptr);
  gesso_result_free(result);
}

TEST_CASE("a generation of a session polls what its options and what the session say") {
  Loaded loaded;
  InC session(loaded.model);
  Poll of_options{1 << 20}, of_session{1 << 20};
  const gesso_options options = polled(of_options);
  REQUIRE(gesso_session_set_poll(session.session, Poll::ask, &of_session) == GESSO_OK);
  REQUIRE(session.generate({{5, 6}}, &options) == GESSO_OK);
  const Ids after = session.ids();
  CHECK(of_options.asked > 1);
  CHECK(of_session.asked == of_options.asked);
  of_session = {};
  CHECK(session.generate({{7}}, &options) == GESSO_INTERRUPTED);
  of_session = {1 << 20};
  of_options = {};
  CHECK(session.generate({{7}}, &options) == GESSO_INTERRUPTED);
  CHECK(session.ids() == after);
}

TEST_CASE("a poll ends the loading of a session wherever it is asked") {
  Loaded loaded;
  const std::string path = "/tmp/gesso_test_c_polled_" + std::to_string(::getpid()) + ".session";
  InC session(loaded.model);
  REQUIRE(session.encode({{5, 6, 7}}) == GESSO_OK);
  REQUIRE(gesso_session_save(session.session, path.c_str()) == GESSO_OK);
  gesso_bytes* bytes = nullptr;
  REQUIRE(gesso_session_save_bytes(session.session, &bytes) == GESSO_OK);
  size_t num_bytes = 0;
  const void* data = gesso_bytes_data(bytes, &num_bytes);

  gesso_session *from_file = nullptr, *from_bytes = nullptr;
  CHECK(end_everywhere([&](Poll& poll) {
          CHECK(from_file == nullptr);
          return gesso_session_load_polled(loaded.model, path.c_str(), Poll::ask, &poll, &from_file);
        }) > 2);
  CHECK(end_everywhere([&](Poll& poll) {
          CHECK(from_bytes == nullptr);
          return gesso_session_load_bytes_polled(loaded.model, data, num_bytes, Poll::ask, &poll, &from_bytes);
        }) > 1);
  for (gesso_session* made : {from_file, from_bytes}) {
    InC loaded_again(made);
    CHECK(loaded_again.ids() == session.ids());
    CHECK(loaded_again.encode({{8}}) == GESSO_OK);  // the poll, which would say no by now, was that call's alone
  }
  gesso_bytes_free(bytes);
  std::filesystem::remove(path);
}
