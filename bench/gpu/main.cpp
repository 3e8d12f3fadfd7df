// Measures gesso on a GPU: the device's ceilings, every op of a denoising pass, whole steps and generations, as JSON.
//
//   gesso_gpu_bench MODEL.gguf -o RESULT.json [--device N] [--activations auto|bf16|int8] [--parts ceilings,ops,steps,
//     generations] [--ops expert,route] [--canvases 1,8] [--cached 1024] [--steps 16] [--quick] [--commit TEXT]
//     [--driver TEXT] [--early-starts yes|no]
//
// --ops takes only the ops whose names begin with one of these. With --early-starts no, a kernel starts when the one
// before it has ended; the difference is what early starts are worth. Shares of the ceilings are null unless the
// ceilings are measured, too. RESULT.json is written anew after each record, so a run that is ended keeps what it has.
// sparse_model.py writes MODEL.gguf. run.sh calls it and fills in commit and driver.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.h"
#include "ceilings.h"
#include "core/check.h"
#include "cuda/host/early_start.h"
#include "device_info.h"
#include "pass.h"
#include "pass_ops.h"
#include "random_model.h"
#include "step.h"

namespace gesso::bench {
namespace {

constexpr std::string_view kParts[] = {"ceilings", "ops", "steps", "generations"};

struct Options {
  std::string model;
  std::map<std::string, std::string> values = {{"-o", ""},
                                               {"--device", "0"},
                                               {"--activations", "auto"},
                                               {"--parts", "ceilings,ops,steps,generations"},
                                               {"--ops", ""},
                                               {"--canvases", "1,8"},
                                               {"--cached", "1024"},
                                               {"--steps", "16"},
                                               {"--quick", "no"},
                                               {"--early-starts", "yes"},
                                               {"--commit", "unknown"},
                                               {"--driver", "unknown"}};
  std::string command;

  const std::string& text(const std::string& name) const { return values.at(name); }
  int64_t number(const std::string& name, int64_t least) const { return whole_number(name, text(name), least); }
  std::vector<std::string> texts(const std::string& name) const {
    std::vector<std::string> result;
    std::istringstream stream(text(name));
    for (std::string item; std::getline(stream, item, ',');) result.push_back(item);
    return result;
  }
  std::vector<int64_t> numbers(const std::string& name, int64_t least) const {
    std::vector<int64_t> result;
    for (const std::string& item : texts(name)) result.push_back(whole_number(name, item, least));
    return result;
  }
  bool has_part(const std::string& part) const { return std::ranges::count(texts("--parts"), part) > 0; }
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 0; i < argc; ++i) options.command += (i ? " " : "") + std::string(argv[i]);
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto found = options.values.find(argument);
    if (argument == "--quick") {
      found->second = "yes";
    } else if (found != options.values.end()) {
      check(i + 1 < argc, argument, ": expected a value");
      found->second = argv[++i];
    } else {
      check(options.model.empty() && argument[0] != '-', "unknown argument ", argument);
      options.model = argument;
    }
  }
  check(!options.model.empty() && !options.text("-o").empty(), "expected MODEL.gguf and -o RESULT.json");
  for (const std::string& part : options.texts("--parts")) {
    check(std::ranges::count(kParts, part) > 0, "--parts: unknown part \"", part, "\"");
  }
  check(!options.texts("--parts").empty(), "--parts: expected at least one");
  check(!options.texts("--canvases").empty(), "--canvases: expected at least one number");
  return options;
}

bool is_quick(const Options& options) { return options.text("--quick") == "yes"; }

TimerOptions timer_options(const Options& options) {
  if (is_quick(options)) return {.warm_up_ms = 0, .measured_ms = 0, .min_samples = 3, .max_samples = 3};
  return {};
}

Record origin(const Options& options, const RandomModel& model) {
  return device_record(*model.queue)
      .add("driver", options.text("--driver"))
      .add("model", std::filesystem::path(options.model).stem().string())
      .add("num_layers", model.config.num_hidden_layers)
      .add("weight_bytes", model.weights.num_bytes)
      .add("activations", model.context.activations == ActivationType::kInt8 ? "int8" : "bf16")
      .add("early_starts", options.text("--early-starts"))
      .add("commit", options.text("--commit"))
      .add("command", options.command);
}

void run(const Options& options) {
  const std::string early_starts = options.text("--early-starts");
  check(early_starts == "yes" || early_starts == "no", "--early-starts: expected yes or no, got ", early_starts);
  cuda::starts_kernels_early = early_starts == "yes";
  RandomModel model(options.model, static_cast<int>(options.number("--device", 0)), options.text("--activations"));
  const TimerOptions timer = timer_options(options);
  Report report(options.text("-o"), origin(options, model));
  const CeilingSizes sizes = is_quick(options) ? CeilingSizes{.bytes = 1 << 16, .rounds = 2} : CeilingSizes{};
  Ceilings ceilings;
  if (options.has_part("ceilings")) ceilings = measure_ceilings(model.context, timer, sizes, report);
  for (const int64_t canvases : options.numbers("--canvases", 1)) {
    if (options.has_part("ops") || options.has_part("steps")) {
      Pass pass(model, canvases, options.number("--cached", 0));
      const std::vector<PassOp> ops = pass_ops(pass, options.texts("--ops"));
      if (options.has_part("steps")) measure_step(pass, ops, ceilings, timer, report);
      if (options.has_part("ops")) measure_ops(pass, ops, ceilings, timer, report);
    }
    if (options.has_part("generations")) {
      measure_generation(model, canvases, options.number("--cached", 0), 2, options.number("--steps", 1), report);
    }
  }
}

}  // namespace
}  // namespace gesso::bench

int main(int argc, char** argv) {
  try {
    gesso::bench::run(gesso::bench::parse(argc, argv));
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gesso_gpu_bench: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
