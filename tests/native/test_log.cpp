// Messages of the library: which levels they have, when they come, and that they disturb nothing.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine_helpers.h"
#include "folder.h"
#include "gesso/log.h"

namespace gesso {
namespace {

using test::Folder;
using tests::canvases;
using tests::tiny_model;
using tests::with_thread;

// Keeps the messages that come while it lives.
class Log {
 public:
  explicit Log(LogLevel least = LogLevel::kInfo) {
    set_log_callback(
        [this](LogLevel level, const std::string& message) {
          const std::lock_guard lock(mutex_);
          messages_.push_back({level, message});
        },
        least);
  }
  ~Log() { set_log_callback({}); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // The messages with this text.
  std::vector<std::string> with(const std::string& text) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> found;
    for (const auto& [level, message] : messages_) {
      if (message.find(text) != std::string::npos) found.push_back(message);
    }
    return found;
  }
  size_t count(LogLevel level) const {
    const std::lock_guard lock(mutex_);
    size_t count = 0;
    for (const auto& message : messages_) count += message.first == level;
    return count;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<LogLevel, std::string>> messages_;
};

void has(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) CHECK_MESSAGE(message.find(part) != std::string::npos, message);
}

}  // namespace

TEST_CASE("passes and requests are told at the lowest level alone") {
  const Model model = tiny_model();
  const auto run = [&] {
    Engine engine(model, with_thread());
    engine.submit({5, 6, 7}, canvases(2)).result();
    model.generate({{5, 6, 7}}, canvases(1).generation);
  };
  {
    const Log log;
    run();
    CHECK(log.with("made an engine").size() == 1);
    CHECK(log.count(LogLevel::kDebug) == 0);
  }
  const Log log(LogLevel::kDebug);
  run();
  CHECK(log.with("made an engine").size() == 1);
  CHECK(log.with("submitted a request: 3 tokens, at most 2 canvases").size() == 1);
  CHECK(log.with(": 1 canvas, 3 tokens of prompts").size() == 2);  // a first pass in the engine, and one in generate()
  CHECK(log.with("; canvases that are done now took 3 steps").size() == 3);
  REQUIRE(log.with("a request ended").size() == 1);
  has(log.with("a request ended")[0], {"(length), 0 of 3 tokens in front were encoded already: 2 canvases, 6 steps"});
}

TEST_CASE("a failure is told in one line, whatever its text") {
  const Log log(LogLevel::kDebug);
  Engine engine(tiny_model(), with_thread());
  RequestOptions options = canvases(1);
  options.generation.on_step = [](const StepEvent&) -> bool { throw std::runtime_error("one\nline"); };
  CHECK_THROWS_WITH(engine.submit({5}, options).result(), "one\nline");
  REQUIRE(log.with("a request failed").size() == 1);
  has(log.with("a request failed")[0], {": one line"});
}

TEST_CASE("a session that is saved and loaded is told with its whole path") {
  const Folder folder;
  const Model model = tiny_model();
  const Log log;
  Session session(model);
  session.encode({{5, 6, 7}});
  const std::string path = folder.file("s\xC3\xA9jour ") + std::string(200, 'a');
  session.save(path);
  Session::load(model, path);
  CHECK(log.with("saved a session to " + path + " in ").size() == 1);
  CHECK(log.with("loaded a session of " + path + " in ").size() == 1);
  // A message is one line, so a line break of a path becomes a space.
  session.save(folder.file("a\nb"));
  CHECK(log.with("saved a session to " + folder.file("a b") + " in ").size() == 1);
  // A path may have any bytes. A message is UTF-8, and does nothing to a terminal.
  session.save(folder.file("\x1B\xFF\xC3\xA9"));
  CHECK(log.with("\\x1b\\xff\xC3\xA9 in ").size() == 1);
}

TEST_CASE("what a callback throws is dropped") {
  set_log_callback([](LogLevel, const std::string&) { throw std::runtime_error("from the log"); }, LogLevel::kDebug);
  const Model model = tiny_model();
  const auto logged = model.generate({{5, 6, 7}}, canvases(1).generation);
  set_log_callback({});
  tests::check_same(logged.results[0], model.generate({{5, 6, 7}}, canvases(1).generation).results[0]);
}

TEST_CASE("a callback may end the messages") {
  int count = 0;
  set_log_callback([&](LogLevel, const std::string&) {
    ++count;
    set_log_callback({});
  });
  const Model model = tiny_model();
  const Engine engine(model, with_thread());
  CHECK(count == 1);
}

TEST_CASE("a level that is none is refused, and the callback stays") {
  const Log log;
  for (const int level : {0, 4, -1}) {
    CHECK_THROWS_WITH_AS(set_log_callback({}, static_cast<LogLevel>(level)),
                         doctest::Contains(std::to_string(level).c_str()), ArgumentError);
  }
  tiny_model();
  CHECK(log.with("loaded a model").size() == 1);
}

TEST_CASE("what a callback calls of gesso is not told") {
  const Model model = tiny_model();
  int count = 0;
  set_log_callback([&](LogLevel, const std::string&) {
    ++count;
    tiny_model();
  });
  tiny_model();
  set_log_callback({});
  CHECK(count == 2);  // the model was loaded, and has no tokenizer
}

TEST_CASE("a callback that was replaced is not called any more, and nobody is inside") {
  std::atomic<bool> is_inside = false, may_leave = false, was_replaced = false;
  set_log_callback([&](LogLevel, const std::string&) {
    is_inside = true;
    while (!may_leave) std::this_thread::yield();
    is_inside = false;
  });
  std::thread logs([] { tiny_model(); });
  while (!is_inside) std::this_thread::yield();
  std::thread replaces([&] {
    set_log_callback({});
    CHECK(!is_inside);
    was_replaced = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(!was_replaced);
  may_leave = true;
  replaces.join();
  logs.join();
}

TEST_CASE("a callback gets no level that it does not want, while others are set") {
  const Model model = tiny_model();
  std::atomic<bool> is_over = false;
  std::atomic<int> wrong = 0, right = 0;
  std::thread thread([&] {
    while (!is_over) model.generate({{5, 6, 7}}, canvases(1).generation);
  });
  for (int i = 0; i < 100; ++i) {
    set_log_callback([&](LogLevel, const std::string&) { ++right; }, LogLevel::kDebug);
    while (right <= i) std::this_thread::yield();
    set_log_callback([&](LogLevel level, const std::string&) { wrong += level < LogLevel::kWarning; },
                     LogLevel::kWarning);
  }
  is_over = true;
  thread.join();
  set_log_callback({});
  CHECK(wrong == 0);
}

TEST_CASE("callbacks change while threads log") {
  const Model model = tiny_model();
  std::atomic<int> count = 0;
  set_log_callback([&](LogLevel, const std::string&) { ++count; }, LogLevel::kDebug);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 5; ++j) model.generate({{5, 6, 7}}, canvases(1).generation);
    });
  }
  for (int i = 0; i < 100; ++i) {
    set_log_callback([&, owned = std::string(100, 'x')](LogLevel, const std::string&) { count += owned.size() == 100; },
                     LogLevel::kDebug);
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  set_log_callback({});
  const int before = count;
  CHECK(before > 0);
  model.generate({{5, 6, 7}}, canvases(1).generation);
  CHECK(count == before);
}

}  // namespace gesso
