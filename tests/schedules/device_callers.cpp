// What C and C++ programs meet on an emulated GPU, and Python programs do not see: no callback is called while a step
// is recorded, and who asks is told why a GPU cannot be used. The exit status says whether all was well.
#include <cstdio>
#include <string>

#include "emulator.h"
#include "gesso/engine.h"
#include "gesso/gesso.h"
#include "tiny_checkpoint.h"

namespace {

namespace emulator = gesso::emulator;

int num_wrong = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  ++num_wrong;
  std::fprintf(stderr, "device_callers: %s\n", what);
}

// A caller's callback may run anything. In a recording it would spoil the recording, or be recorded itself.
struct Callbacks {
  int num_calls = 0, num_in_recordings = 0;

  bool call() {
    ++num_calls;
    num_in_recordings += emulator::is_capturing();
    return false;
  }
  gesso::GenerationOptions options() {
    gesso::GenerationOptions options;
    options.max_new_tokens = 20;
    options.max_denoising_steps = 6;
    options.confidence_threshold = 0;
    options.end_token_ids = std::vector<int32_t>{};
    options.interrupted = [this] { return call(); };
    options.on_step = [this](const gesso::StepEvent&) { return !call(); };
    options.on_canvas = [this](const gesso::CanvasEvent&) { return !call(); };
    return options;
  }
};

void no_callback_is_recorded(const gesso::Model& model) {
  Callbacks callbacks;
  const int64_t before = emulator::num_graph_launches();
  const gesso::GenerationResult result = model.generate({{5, 6}, {7, 8, 9}}, callbacks.options());
  expect(emulator::num_graph_launches() > before, "no step was recorded");
  expect(callbacks.num_calls >= result.timings.steps, "not every pass asks whether it is interrupted");
  expect(callbacks.num_in_recordings == 0, "a callback was called while a step was recorded");

  Callbacks of_engine;
  gesso::EngineOptions options;
  options.has_thread = false;
  gesso::Engine engine(model, options);
  gesso::RequestOptions request;
  request.generation = of_engine.options();
  request.generation.interrupted = nullptr;
  engine.submit({5, 6}, request);
  engine.drain();
  expect(of_engine.num_calls > 0 && of_engine.num_in_recordings == 0, "an engine calls back while a step is recorded");
}

// A pass still ends soon after the caller wants it.
void an_interrupt_ends_it(const gesso::Model& model) {
  gesso::GenerationOptions options = Callbacks().options();
  int num_calls = 0;
  options.interrupted = [&] { return ++num_calls > 3; };
  options.on_step = nullptr;
  options.on_canvas = nullptr;
  try {
    model.generate({{5, 6}}, options);
    expect(false, "an interrupted generation goes on");
  } catch (const gesso::Interrupted&) {
    expect(num_calls == 4, "it goes on for a while");
  }
}

void the_reason_is_told() {
  expect(gesso::gpu_problem().empty(), "something is wrong with a good GPU");
  expect(*gesso_gpu_problem() == 0, "something is wrong with a good GPU, in C");
  emulator::set_driver_version(12040);
  const std::string problem = gesso::gpu_problem();
  expect(problem.find("12.4") != std::string::npos && problem.find("13.0") != std::string::npos,
         "the driver that is there, and the one that is needed, are not named");
  expect(gesso_gpu_problem() == problem, "C programs are told something else");
  emulator::set_driver_version(0);
  expect(gesso::gpu_problem().empty(), "a machine without a driver has a problem");
  emulator::reset_settings();
}

}  // namespace

int main() {
  const gesso::Model model(gesso::tests::TinyCheckpoint(gesso::tests::TinySizes()).get(), {"cuda"});
  no_callback_is_recorded(model);
  an_interrupt_ends_it(model);
  the_reason_is_told();
  return num_wrong == 0 ? 0 : 1;
}
