// Compares what a small model answers on a GPU with what it has answered on the CPU without rounding.
//
//   gesso_gpu_answers MODEL.gguf ANSWERS.txt [--device cuda] [--activations bf16|int8] [--count N]
//
// bench/gpu_check/answers.py writes ANSWERS.txt. The program prints one JSON object. Its exit status is 1 where
// "problems" says what is wrong, and 2 where nothing could be compared.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "answers_file.h"
#include "arguments.h"
#include "comparison.h"
#include "core/check.h"
#include "gesso/model.h"
#include "record.h"

namespace gesso::bench {
namespace {

using Ids = std::vector<std::vector<int32_t>>;

std::vector<float> denoise(Session& session, const Answer& answer, std::vector<float> logits, bool is_conditioned) {
  session.denoise({answer.canvas}, is_conditioned, logits);
  return logits;
}

LogitComparison compare_logits(const Model& model, std::span<const Answer> answers) {
  const int64_t vocab = model.config().vocab_size;
  LogitComparison comparison;
  for (const Answer& answer : answers) {
    const auto size = static_cast<size_t>(model.config().canvas_length * vocab);
    check(answer.logits.size() == size && answer.conditioned.size() == size, "answers: expected ", size,
          " logits, got ", answer.logits.size(), " and ", answer.conditioned.size());
    Session session(model);
    session.encode({answer.prompt});
    comparison.add(denoise(session, answer, std::vector<float>(size), false), answer.logits, vocab);
    std::vector<float> processed = answer.logits;
    for (float& logit : processed) logit /= model.config().generation.t_max;
    comparison.add(denoise(session, answer, processed, true), answer.conditioned, vocab);
  }
  return comparison;
}

// Continues the prompts of answers `first` to `first + prompts.size()`, whose seeds are their numbers.
Ids generate(const Model& model, const AnswersFile& file, const Ids& prompts, uint64_t first) {
  GenerationOptions options;
  options.max_new_tokens = file.new_tokens;
  options.max_denoising_steps = file.steps;
  options.seeds.clear();
  for (uint64_t i = 0; i < prompts.size(); ++i) options.seeds.push_back(first + i);
  Ids ids;
  for (const Result& result : model.generate(prompts, options).results) ids.push_back(result.ids);
  return ids;
}

struct Sequences {
  int64_t changed = 0;  // how many differ from the answers
  bool is_repeatable = false, is_batch_invariant = false;
};

Sequences compare_sequences(const Model& model, const AnswersFile& file) {
  Ids prompts;
  for (const Answer& answer : file.answers) prompts.push_back(answer.prompt);
  const Ids ids = generate(model, file, prompts, 0);
  Sequences result{.is_repeatable = generate(model, file, prompts, 0) == ids, .is_batch_invariant = true};
  for (size_t i = 0; i < prompts.size(); ++i) {
    result.changed += ids[i] != file.answers[i].ids;
    result.is_batch_invariant &= generate(model, file, {prompts[i]}, i).front() == ids[i];
  }
  return result;
}

bool run(const std::string& path, std::map<std::string, std::string>& options) {
  const AnswersFile file = read_answers(options["answers"], whole_number("--count", options["--count"], 1));
  LoadOptions load;
  load.device = options["--device"];
  load.activations = options["--activations"];
  const Model model = Model::load(path, load);
  const LogitDifference logits =
      compare_logits(model, file.answers).result(model.activations(), model.config().num_hidden_layers);
  const Sequences sequences = compare_sequences(model, file);

  std::string problems = logits.problems();
  const auto expect = [&](bool holds, const std::string& problem) {
    if (!holds) problems += (problems.empty() ? "" : "; ") + problem;
  };
  expect(sequences.changed <= file.may_differ, "too many generations differ from the CPU's");
  expect(sequences.is_repeatable, "a second run gave other ids");
  expect(sequences.is_batch_invariant, "a generation alone differs from the same in a batch");
  const Record record = Record()
                            .add("model", std::filesystem::path(path).stem().string())
                            .add("device", model.device())
                            .add("activations", model.activations())
                            .add("answers", static_cast<int64_t>(file.answers.size()))
                            .add("relative_error", logits.relative_error)
                            .add("largest_relative_error", logits.largest_relative_error)
                            .add("mean_kl", logits.mean_kl)
                            .add("largest_mean_kl", logits.largest_mean_kl)
                            .add("argmax_agreement", logits.argmax_agreement)
                            .add("changed_generations", sequences.changed)
                            .add("may_differ", file.may_differ)
                            .add("problems", problems);
  std::printf("%s\n", record.to_json().c_str());
  return problems.empty();
}

int main_of(const std::vector<std::string>& arguments) {
  std::map<std::string, std::string> options = {{"--device", "cuda"}, {"--activations", "bf16"}, {"--count", "1000"}};
  check(arguments.size() >= 2 && arguments.size() % 2 == 0, "expected MODEL.gguf ANSWERS.txt and options with values");
  for (size_t i = 2; i < arguments.size(); i += 2) {
    check(options.contains(arguments[i]), "unknown option ", arguments[i]);
    options[arguments[i]] = arguments[i + 1];
  }
  options["answers"] = arguments[1];
  return run(arguments[0], options) ? 0 : 1;
}

}  // namespace
}  // namespace gesso::bench

int main(int argc, char** argv) {
  try {
    return gesso::bench::main_of({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gesso_gpu_answers: %s\n", error.what());
    return 2;
  }
}
