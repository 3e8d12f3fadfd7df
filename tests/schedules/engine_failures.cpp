// What an engine on the emulated GPU does when the memory is used up: one request ends with an error, and the others
// write what they write alone. The exit status says whether all was well.
#include <cstdio>
#include <string>
#include <vector>

#include "emulator.h"
#include "gesso/engine.h"
#include "tiny_checkpoint.h"

namespace {

using gesso::Engine;
using gesso::Request;
using Ids = std::vector<int32_t>;

int num_wrong = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  ++num_wrong;
  std::fprintf(stderr, "engine_failures: %s\n", what);
}

gesso::RequestOptions two_canvases() {
  gesso::RequestOptions options;
  options.generation.max_new_tokens = 14;
  options.generation.max_denoising_steps = 2;
  options.generation.end_token_ids = Ids{};
  return options;
}

// Nothing if the request has failed.
Ids ids_of(const Request& request) {
  try {
    return request.result().ids;
  } catch (const gesso::Error& error) {
    std::fprintf(stderr, "engine_failures: %s\n", error.what());
    return {};
  }
}

bool is_out_of_memory(const Request& request) {
  try {
    request.result();
    return false;
  } catch (const gesso::OutOfMemory&) {
    return true;
  }
}

}  // namespace

int main() {
  gesso::tests::TinySizes sizes;
  sizes.context = 1000;
  const gesso::Model model(gesso::tests::TinyCheckpoint(sizes).get(), {"cuda"});
  const Ids small = {5, 6}, large(600, 7);
  const auto alone = [&](const Ids& ids) { return model.generate({ids}, two_canvases().generation).results[0].ids; };
  const Ids expected = alone(small), expected_large = alone(large);

  gesso::EngineOptions options;
  options.has_thread = false;
  options.memory_bytes = 1 << 28;
  options.prefix_bytes = 0;
  Engine engine(model, options);
  gesso::Session session(model);
  session.encode({{8, 9}});
  for (const Ids& ids : {large, large, small, small}) engine.submit(ids, two_canvases());
  engine.drain();
  const Request running = engine.submit(small, two_canvases());
  for (int pass = 0; pass < 3; ++pass) engine.run_once();
  // Enough for the cache of `small`, and not for the slice of `large`. The passes have all their memory by now.
  gesso::emulator::set_total_bytes(gesso::emulator::allocated_bytes(0) + 110000);
  const Request failing = engine.submit(large, two_canvases());
  const Request of_session = engine.submit(session, large, two_canvases());
  const Request other = engine.submit(small, two_canvases());
  expect(is_out_of_memory(failing), "a request that is too large does not say so");
  expect(is_out_of_memory(of_session), "a session's request that is too large does not say so");
  expect(session.ids(0) == Ids{8, 9}, "the session has changed");
  expect(ids_of(running) == expected, "the request that was running writes something else");
  expect(ids_of(other) == expected, "the request behind it writes something else");
  expect(engine.counters().failed == 2, "the counter is wrong");

  gesso::emulator::reset_settings();
  expect(ids_of(engine.submit(large, two_canvases())) == expected_large, "it writes something else later");
  Ids ids = {8, 9};
  ids.insert(ids.end(), small.begin(), small.end());
  expect(ids_of(engine.submit(session, small, two_canvases())) == alone(ids), "the session does not go on");
  expect(engine.counters().cache_bytes == 0, "an idle engine holds caches");
  return num_wrong == 0 ? 0 : 1;
}
