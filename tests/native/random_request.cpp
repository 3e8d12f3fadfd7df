#include "random_request.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace gesso::tests {
namespace {

int32_t random_id(Random& random, const ModelConfig& config) {
  return static_cast<int32_t>(random.below(config.vocab_size));
}

Ids random_ids(Random& random, const ModelConfig& config, int64_t count) {
  Ids ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(random_id(random, config));
  return ids;
}

// Around the ends of blocks, where prefixes are kept, and of slices, which are 256 tokens on the CPU.
int64_t random_length(Random& random, const ModelConfig& config, int64_t most) {
  const int64_t block = config.canvas_length;
  const int64_t around = random.pick<int64_t>({1, block, 2 * block, 4 * block, 7 * block, 256, 1 + random.below(most)});
  return std::clamp<int64_t>(around + random.below(3) - 1, 1, most);
}

void draw_steps(Random& random, GenerationOptions& options) {
  options.max_denoising_steps = 1 + random.below(9);
  if (random.chance(60)) options.confidence_threshold = random.pick<float>({0.005f, 2.0f, 3.0f, 10.0f});
  if (random.chance(60)) options.entropy_bound = random.pick<float>({0.0f, 0.5f, 3.0f, 20.0f, 1000.0f});
  if (random.chance(30)) options.stability_threshold = random.below(3);
  if (random.chance(30)) {
    options.t_min = random.pick<float>({0.1f, 0.4f});
    options.t_max = random.pick<float>({0.4f, 1.5f});
  }
}

void draw_content(Random& random, const ModelConfig& config, int64_t num_canvases, GenerationOptions& options) {
  options.seeds = {static_cast<uint64_t>(random.below(1000))};
  if (random.chance(30)) options.end_token_ids = random_ids(random, config, random.below(4));
  if (random.chance(15)) options.canvas = {random_ids(random, config, config.canvas_length)};
  if (!random.chance(20)) return;
  std::vector<PinnedTokens> pinned(1 + random.below(num_canvases));
  for (PinnedTokens& canvas : pinned) {
    for (int64_t i = random.below(4); i > 0; --i)
      canvas[random.below(config.canvas_length)] = random_id(random, config);
  }
  options.pinned = {pinned};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b, size_t count) {
  return count == 0 || std::memcmp(a.data(), b.data(), count * sizeof(float)) == 0;
}

// Whether `part` is the beginning of `whole`.
template <typename T>
bool begins(const std::vector<T>& whole, const std::vector<T>& part) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

std::string compare_beginning(const Outcome& got, const Outcome& alone) {
  if (!begins(alone.trace.argmax, got.trace.argmax)) return "the steps' tokens differ";
  if (!same_bits(alone.trace.entropies, got.trace.entropies, got.trace.entropies.size())) return "entropies differ";
  if (!alone.error.empty()) return "";
  if (!begins(alone.result.canvases, got.result.canvases)) return "the canvases differ";
  if (!begins(alone.result.denoising_steps, got.result.denoising_steps)) return "the numbers of steps differ";
  if (!begins(alone.result.ids, got.result.ids)) return "the ids differ";
  return "";
}

}  // namespace

std::vector<Ids> random_texts(Random& random, const ModelConfig& config) {
  std::vector<Ids> texts;
  for (int64_t i = 1 + random.below(3); i > 0; --i) texts.push_back(random_ids(random, config, 400));
  return texts;
}

RequestOptions RandomRequest::traced_options() {
  trace = std::make_shared<Trace>();
  RequestOptions traced = options;
  traced.generation.on_step = [trace = trace, stop = stop_after, fail = throw_after](const StepEvent& event) {
    trace->argmax.insert(trace->argmax.end(), event.argmax.begin(), event.argmax.end());
    trace->entropies.insert(trace->entropies.end(), event.entropies.begin(), event.entropies.end());
    ++trace->num_steps;
    if (trace->num_steps == fail) throw std::runtime_error("a callback failed");
    return trace->num_steps != stop;
  };
  return traced;
}

RandomRequest random_request(Random& random, const ModelConfig& config, const std::vector<Ids>& texts, int64_t length) {
  RandomRequest request;
  GenerationOptions& options = request.options.generation;
  const int64_t room = (config.max_position_embeddings - length) / config.canvas_length - 1;
  const int64_t num_canvases = std::min(1 + random.below(3), std::max<int64_t>(room, 1));
  options.max_new_tokens = num_canvases * config.canvas_length - random.below(config.canvas_length);
  draw_steps(random, options);
  draw_content(random, config, num_canvases, options);

  const Ids& text = texts[random.below(std::ssize(texts))];
  const int64_t most = std::min<int64_t>(
      std::ssize(text),
      std::max<int64_t>(1, config.max_position_embeddings - length - num_canvases * config.canvas_length));
  request.ids.assign(text.begin(), text.begin() + random_length(random, config, most));
  const int64_t num_own = random.chance(70) ? random.below(std::min<int64_t>(std::ssize(request.ids), 20)) : 0;
  for (int64_t i = 0; i < num_own; ++i) request.ids[std::ssize(request.ids) - 1 - i] = random_id(random, config);
  if (random.chance(5)) request.stop_after = 1 + random.below(10);
  if (random.chance(4)) request.throw_after = 1 + random.below(10);
  return request;
}

Outcome run_alone(const Model& model, RandomRequest request, const Ids& before) {
  Outcome outcome;
  Ids prompt = before;
  prompt.insert(prompt.end(), request.ids.begin(), request.ids.end());
  const GenerationOptions options = request.traced_options().generation;
  try {
    outcome.result = model.generate({prompt}, options).results[0];
  } catch (const std::exception& error) {
    outcome.error = error.what();
  }
  outcome.trace = *request.trace;
  return outcome;
}

Outcome outcome_of(const Request& request, const RandomRequest& wanted) {
  Outcome outcome;
  try {
    outcome.result = request.result();
  } catch (const DeadlineExceeded&) {
    outcome.error = "DeadlineExceeded";
  } catch (const std::exception& error) {
    outcome.error = error.what();
  }
  outcome.trace = *wanted.trace;
  return outcome;
}

std::string compare(const Outcome& got, const Outcome& alone, bool was_cancelled, bool has_deadline) {
  const Result& a = got.result;
  const Result& b = alone.result;
  if (got.error == "DeadlineExceeded") {
    return has_deadline ? compare_beginning(got, alone) : "a request without a deadline was late";
  }
  if (got.error != alone.error && !got.error.empty()) return "an error that it does not have alone: " + got.error;
  const bool ended_early = got.error.empty() && (!alone.error.empty() || a.finish_reason != b.finish_reason ||
                                                 a.canvases.size() != b.canvases.size());
  if (ended_early) {
    const bool may = a.finish_reason == FinishReason::kCancelled  ? was_cancelled
                     : a.finish_reason == FinishReason::kDeadline ? has_deadline
                                                                  : false;
    if (!may) return "it ended otherwise than alone: " + std::string(name_of(a.finish_reason));
    return compare_beginning(got, alone);
  }
  if (got.error.empty()) {
    if (a.prompt != b.prompt) return "the prompt differs";
    if (a.ids != b.ids || a.canvases != b.canvases) return "the tokens differ";
    if (a.denoising_steps != b.denoising_steps) return "the numbers of steps differ";
    if (a.seed != b.seed || a.usage.prompt_tokens != b.usage.prompt_tokens ||
        a.usage.completion_tokens != b.usage.completion_tokens || a.tokens_per_forward != b.tokens_per_forward) {
      return "the usage differs";
    }
  }
  if (got.trace.num_steps != alone.trace.num_steps) {
    // A canvas under way is dropped when its request is cancelled, and then the reasons may be the same by chance.
    return was_cancelled && a.finish_reason == FinishReason::kCancelled ? compare_beginning(got, alone)
                                                                        : "the numbers of steps differ";
  }
  return compare_beginning(got, alone);
}

}  // namespace gesso::tests
