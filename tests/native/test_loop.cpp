// The loop over passes: what a pass leaves that is interrupted anywhere.
#include "engine/loop.h"

#include <doctest/doctest.h>

#include <atomic>
#include <limits>
#include <optional>
#include <vector>

#include "diffusion/options.h"
#include "model/config.h"
#include "model/pass_scratch.h"
#include "model/place_weights.h"
#include "model/weights.h"
#include "ops/device.h"
#include "tiny_checkpoint.h"

namespace gesso::engine {
namespace {

using model::Sequence;
using Ids = std::vector<int32_t>;

constexpr int64_t kPlenty = std::numeric_limits<int64_t>::max();

// A tiny model, whose passes have two canvases and as many tokens of text.
class Tiny {
 public:
  Tiny()
      : config(model::read_config(checkpoint_.get().file())),
        weights(placed_weights()),
        memory(context, config, weights.key_value_layouts, {14, 28, 2, 28}) {}

  // Two canvases of two steps.
  Result run(Loop& loop, Sequence& sequence, const std::atomic<bool>* cancelled = nullptr) {
    GenerationOptions options;
    options.max_new_tokens = 2 * config.canvas_length;
    options.max_denoising_steps = 2;
    options.end_token_ids = Ids{};
    const diffusion::ResolvedOptions resolved = diffusion::resolve_options(options, config, 1);
    Job job(diffusion::Generation(config, options, resolved, sequence, 0));
    job.cancelled = cancelled;
    loop.add(job);
    while (!loop.is_idle()) has_interrupted |= loop.run_pass().was_interrupted;
    REQUIRE(!job.error);
    return job.generation.result();
  }
  Result run(Sequence& sequence) {
    Loop loop(pass(), 2, kPlenty);
    return run(loop, sequence);
  }
  model::PassContext pass() { return {context, config, weights, memory}; }
  Sequence new_sequence(const Ids& ids) const {
    Sequence sequence(config, weights);
    sequence.ids = ids;
    return sequence;
  }

 private:
  model::Weights placed_weights() const {
    model::Weights loaded = model::load_weights(checkpoint_.get().file(), config);
    model::place_weights(context, config, ops::Device(), loaded, {});
    return loaded;
  }

  tests::TinyCheckpoint checkpoint_;

 public:
  Context context;
  ModelConfig config;
  model::Weights weights;
  model::PassScratch memory;
  bool has_interrupted = false;
};

const Ids kPrompt(30, 9);  // it takes three passes

}  // namespace

// A cache whose last rows were never computed would write another text, as would a prefix that was kept too early.
TEST_CASE("a job that is cancelled in the middle of a pass leaves its sequence and the loop sound") {
  Tiny tiny;
  Sequence undisturbed = tiny.new_sequence(kPrompt);
  const Result whole = tiny.run(undisturbed);
  bool is_over = false;
  int64_t num_polls = 0, num_kept = 0;
  for (int64_t last = 1; !is_over; ++last) {
    CAPTURE(last);
    std::atomic<bool> is_cancelled = false;
    PrefixCache prefixes(tiny.config, tiny.weights.key_value_layouts, 1 << 20);
    std::optional<Loop> loop;
    num_polls = 0;
    tiny.context.interrupted = [&] {
      if (++num_polls == last) is_cancelled = true;
      return !loop->is_wanted(Clock::now());
    };
    loop.emplace(tiny.pass(), 2, kPlenty, &prefixes);
    Sequence sequence = tiny.new_sequence(kPrompt);
    tiny.has_interrupted = false;
    const Result got = tiny.run(*loop, sequence, &is_cancelled);
    CHECK(tiny.has_interrupted == is_cancelled);
    is_over = !is_cancelled;
    CHECK(got.finish_reason == (is_over ? FinishReason::kLength : FinishReason::kCancelled));
    CHECK(got.canvases == std::vector(whole.canvases.begin(), whole.canvases.begin() + std::ssize(got.canvases)));
    num_kept += std::ssize(got.canvases);

    // The sequence goes on, and another one begins with what the loop has kept of the first one.
    Ids ids = kPrompt;
    for (const Ids& canvas : got.canvases) ids.insert(ids.end(), canvas.begin(), canvas.end());
    REQUIRE(sequence.ids == ids);
    ids.push_back(11);
    sequence.ids.push_back(11);
    Sequence expected = tiny.new_sequence(ids), other = tiny.new_sequence(ids);
    tiny.context.interrupted = {};
    const Result alone = tiny.run(expected);
    CHECK(tiny.run(*loop, sequence).canvases == alone.canvases);
    CHECK(tiny.run(*loop, other).canvases == alone.canvases);
  }
  CHECK(num_polls > 25);
  CHECK(num_kept > 10);
}

TEST_CASE("a pass goes on for as long as anybody wants it") {
  Tiny tiny;
  Sequence first = tiny.new_sequence(kPrompt), second = tiny.new_sequence({5, 6});
  Sequence alone = tiny.new_sequence({5, 6});
  const Result expected = tiny.run(alone);
  std::atomic<bool> is_cancelled = false;
  std::optional<Loop> loop;
  int64_t num_polls = 0;
  tiny.context.interrupted = [&] {
    is_cancelled = ++num_polls > 5;
    return !loop->is_wanted(Clock::now());
  };
  loop.emplace(tiny.pass(), 2, kPlenty);
  GenerationOptions options;
  options.max_new_tokens = 14;
  const diffusion::ResolvedOptions resolved = diffusion::resolve_options(options, tiny.config, 1);
  Job job(diffusion::Generation(tiny.config, options, resolved, first, 0));
  job.cancelled = &is_cancelled;
  loop->add(job);
  tiny.has_interrupted = false;
  CHECK(tiny.run(*loop, second).canvases == expected.canvases);
  CHECK(!tiny.has_interrupted);
  CHECK(job.has_ended);
  CHECK(job.generation.result().finish_reason == FinishReason::kCancelled);
}

}  // namespace gesso::engine
