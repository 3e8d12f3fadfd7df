// One call at a time in a session: what is refused while another call is under way, and what a callback may destroy.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/users.h"
#include "gesso/model.h"
#include "tiny_checkpoint.h"

namespace {

using gesso::BusyError;
using gesso::tests::TinyCheckpoint;
using gesso::tests::TinySizes;
using Ids = std::vector<int32_t>;

gesso::Model tiny_model() { return gesso::Model(TinyCheckpoint().get(), {"cpu", 1}); }

gesso::GenerationOptions two_canvases() {
  gesso::GenerationOptions options;
  options.max_new_tokens = 2 * TinySizes().canvas;
  options.max_denoising_steps = 3;
  options.end_token_ids = Ids{};
  return options;
}

// Every call that a busy session refuses, by its name in the message.
std::vector<std::pair<const char*, std::function<void(gesso::Session&)>>> refused_calls() {
  return {
      {"generate", [](gesso::Session& s) { s.generate({{5}}, two_canvases()); }},
      {"encode", [](gesso::Session& s) { s.encode({{5}}); }},
      {"denoise",
       [](gesso::Session& s) {
         std::vector<float> logits(TinySizes().canvas * TinySizes().vocab);
         s.denoise({Ids(TinySizes().canvas, 3)}, false, logits);
       }},
      {"ids", [](gesso::Session& s) { s.ids(0); }},
      {"ids", [](gesso::Session& s) { s.ids(); }},
      {"length", [](gesso::Session& s) { s.length(0); }},
      {"cache_bytes", [](gesso::Session& s) { s.cache_bytes(); }},
      {"collect_importance", [](gesso::Session& s) { s.collect_importance(); }},
      {"importance", [](gesso::Session& s) { s.importance(); }},
      {"set_profiling", [](gesso::Session& s) { s.set_profiling(true); }},
      {"rewind", [](gesso::Session& s) { s.rewind({0}); }},
      {"fork", [](gesso::Session& s) { s.fork(); }},
      {"save", [](gesso::Session& s) { s.save(); }},
  };
}

void check_all_refused(gesso::Session& session) {
  for (const auto& [name, call] : refused_calls()) {
    CHECK_THROWS_WITH_AS(call(session), doctest::Contains((std::string(name) + ": the session is busy").c_str()),
                         BusyError);
  }
  CHECK(session.batch_size() == 1);
}

}  // namespace

TEST_CASE("a session refuses every call from its own callbacks, and the text is what it would have been") {
  const gesso::Model model = tiny_model();
  const Ids expected = model.generate({{5, 6}}, two_canvases()).results[0].canvases[1];
  gesso::Session session(model);
  int num_steps = 0, num_canvases = 0, num_polls = 0;
  gesso::GenerationOptions options = two_canvases();
  options.on_step = [&](const gesso::StepEvent&) { return ++num_steps, check_all_refused(session), true; };
  options.on_canvas = [&](const gesso::CanvasEvent&) { return ++num_canvases, check_all_refused(session), true; };
  options.interrupted = [&] { return ++num_polls, check_all_refused(session), false; };
  CHECK(session.generate({{5, 6}}, options).results[0].canvases[1] == expected);
  CHECK(session.length(0) == 2 + 2 * TinySizes().canvas);
  CHECK(num_steps > 0);
  CHECK(num_canvases == 2);
  CHECK(num_polls > 0);
  session.encode({{7}}, [&] { return check_all_refused(session), false; });
  std::vector<float> logits(TinySizes().canvas * TinySizes().vocab);
  session.denoise({Ids(TinySizes().canvas, 3)}, false, logits, [&] { return check_all_refused(session), false; });
}

TEST_CASE("a refused call that leaves its callback ends the outer one, and the session is as before") {
  const gesso::Model model = tiny_model();
  gesso::Session session(model);
  session.encode({{5, 6}});
  gesso::GenerationOptions options = two_canvases();
  options.on_canvas = [&](const gesso::CanvasEvent&) { return session.rewind({0}), true; };  // used to crash
  CHECK_THROWS_AS(session.generate({{7}}, options), BusyError);
  CHECK(session.ids(0) == Ids{5, 6});
  CHECK(session.generate({{7}}, two_canvases()).results[0].ids ==
        model.generate({{5, 6, 7}}, two_canvases()).results[0].ids);
}

TEST_CASE("a session refuses every call of another thread") {
  const gesso::Model model = tiny_model();
  gesso::Session session(model);
  std::atomic<bool> is_inside = false, may_leave = false;
  gesso::GenerationOptions options = two_canvases();
  options.on_step = [&](const gesso::StepEvent&) {
    is_inside = true;
    while (!may_leave) std::this_thread::yield();
    return true;
  };
  Ids written;
  std::thread thread([&] { written = session.generate({{5}}, options).results[0].ids; });
  while (!is_inside) std::this_thread::yield();
  check_all_refused(session);
  may_leave = true;
  thread.join();
  CHECK(written == model.generate({{5}}, two_canvases()).results[0].ids);
  for (const auto& [name, call] : refused_calls()) CHECK_NOTHROW(call(session));
}

TEST_CASE("a callback gets the profile of its own call, and another thread is refused") {
  const gesso::Model model = tiny_model();
  gesso::Session session(model);
  session.set_profiling(true);
  session.encode({{5}});
  session.take_profile();
  int num_steps = 0;
  gesso::GenerationOptions options = two_canvases();
  options.on_step = [&](const gesso::StepEvent&) {
    CHECK(!session.take_profile().empty());
    CHECK(session.take_profile().empty());
    std::thread([&] { CHECK_THROWS_AS(session.take_profile(), BusyError); }).join();
    CHECK_THROWS_AS(session.rewind({0}), BusyError);  // the call inside has not been let go
    return ++num_steps, true;
  };
  session.generate({{}}, options);
  CHECK(num_steps > 0);
  CHECK_NOTHROW(session.rewind({0}));
}

TEST_CASE("several calls may read at once, and a call that changes is refused meanwhile") {
  gesso::Users users("busy");
  {
    const gesso::Reading first(users, "first"), second(users, "second");
    CHECK_THROWS_WITH_AS(gesso::Changing(users, "third"), "third: busy", BusyError);
  }
  const gesso::Changing changing(users, "fourth");
  CHECK_THROWS_WITH_AS(gesso::Reading(users, "fifth"), "fifth: busy", BusyError);
}

TEST_CASE("a callback may destroy or move the session, the model and the checkpoint that it came from") {
  const Ids expected = tiny_model().generate({{5}}, two_canvases()).results[0].ids;
  gesso::GenerationOptions options = two_canvases();

  std::optional<gesso::Session> session(tiny_model());
  options.on_step = [&](const gesso::StepEvent&) { return session.reset(), true; };
  CHECK(session->generate({{5}}, options).results[0].ids == expected);

  session.emplace(tiny_model());
  options.on_step = [&](const gesso::StepEvent& event) {
    if (event.canvas == 0 && event.step == 0) {
      gesso::Session other = std::move(*session);
      CHECK_THROWS_AS(other.rewind({0}), BusyError);
      session.emplace(tiny_model());
      *session = std::move(other);
    }
    return true;
  };
  CHECK(session->generate({{5}}, options).results[0].ids == expected);
  CHECK(session->length(0) == 1 + std::ssize(expected));

  std::optional<gesso::Model> model(tiny_model());
  options.on_step = [&](const gesso::StepEvent&) { return model.reset(), true; };
  CHECK(model->generate({{5}}, options).results[0].ids == expected);
}

TEST_CASE("another thread may destroy a session whose call is under way") {
  std::optional<gesso::Session> session(tiny_model());
  std::atomic<bool> is_inside = false, is_gone = false;
  gesso::GenerationOptions options = two_canvases();
  options.on_step = [&](const gesso::StepEvent&) {
    is_inside = true;
    while (!is_gone) std::this_thread::yield();
    return true;
  };
  Ids written;
  std::thread thread([&, pointer = &*session] { written = pointer->generate({{5}}, options).results[0].ids; });
  while (!is_inside) std::this_thread::yield();
  session.reset();
  is_gone = true;
  thread.join();
  CHECK(written == tiny_model().generate({{5}}, two_canvases()).results[0].ids);
}

TEST_CASE("a session that was moved from says so") {
  gesso::Session session(tiny_model());
  const gesso::Session other = std::move(session);
  CHECK_THROWS_WITH_AS(session.length(0), doctest::Contains("moved"), gesso::ArgumentError);
  CHECK_THROWS_WITH_AS(session.batch_size(), doctest::Contains("moved"), gesso::ArgumentError);
  CHECK_THROWS_WITH_AS(session.generate({{5}}, two_canvases()), doctest::Contains("moved"), gesso::ArgumentError);
}

TEST_CASE("a checkpoint that a model is made of cannot be changed meanwhile") {
  gesso::Checkpoint checkpoint = TinyCheckpoint().get();
  {
    const auto kept = checkpoint.keep_unchanged("test");
    CHECK_THROWS_WITH_AS(checkpoint.set("a", true), doctest::Contains("set: the checkpoint is busy"), BusyError);
    CHECK_THROWS_WITH_AS(checkpoint.add_tensor("a", "F32", {1}, {}, nullptr), doctest::Contains("busy"), BusyError);
    CHECK(checkpoint.keys().size() > 10);
    CHECK_NOTHROW(gesso::Model(checkpoint, {"cpu", 1}));
  }
  CHECK_NOTHROW(checkpoint.set("a", true));
}
