// What a generation takes, reports and returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gesso {

// One sequence after one denoising step. Spans have the canvas' length C. They are valid only during the callback,
// which runs on the thread that called generate().
struct StepEvent {
  int64_t sequence = 0;  // index in the batch
  int64_t canvas = 0;    // index among the canvases of this call
  int64_t step = 0;      // index within the canvas; the first is 0
  int64_t max_denoising_steps = 0;
  float mean_entropy = 0;             // over the positions that are not pinned, nats
  std::span<const int32_t> argmax;    // the canvas as it would be committed now
  std::span<const uint8_t> accepted;  // [C] 1 where this step accepted the position, or where it is pinned
  std::span<const float> entropies;   // nats
};

// A canvas that was just committed. `ids` is valid only during the callback.
struct CanvasEvent {
  int64_t sequence = 0;         // index in the batch
  int64_t canvas = 0;           // index among the canvases of this call
  int64_t denoising_steps = 0;  // how many steps it took
  bool finished = false;        // whether it holds an end token
  // How many of the ids belong to the text: those in front of an end token and of a stop string, as far as
  // max_new_tokens goes. It is 0 where a stop string begins in the canvas before.
  int64_t text_length = 0;
  std::span<const int32_t> ids;  // [C], padded after the first end token
};

// Canvas positions whose token ids the caller fixes. Such a position is never renoised, and its id is committed as
// given. It does not count for the entropy bound, the stability test and the mean entropy.
using PinnedTokens = std::map<int64_t, int32_t>;

// The texts of the tokens that end a turn. In the released model they have the ids 1, 106 and 50.
inline constexpr std::string_view kEndTokenNames[] = {"<eos>", "<turn|>", "<|tool_response>"};

// The values of options that the caller does not set. A checkpoint carries most of them (GGUF `diffusion.eb_*`,
// generation_config.json). Where it carries none, the numbers below hold, which are those of the reference
// (transformers, generation_diffusion_gemma.py).
struct GenerationDefaults {
  int64_t max_new_tokens = 256;
  int64_t max_denoising_steps = 48;
  float entropy_bound = 0.1f;  // nats
  float t_min = 0.4f;
  float t_max = 0.8f;
  int64_t stability_threshold = 1;
  float confidence_threshold = 0.005f;  // nats
  std::vector<int32_t> end_token_ids = {1, 106, 50};
};

// An option that the caller does not set has its default: see GenerationDefaults. gesso/options.h has a table of the
// options with their bounds. All options are checked before work starts. The ArgumentError names the option.
struct GenerationOptions {
  // The text and the sequence end after so many tokens, also where that is within a canvas. The reference rounds them
  // up to whole canvases.
  std::optional<int64_t> max_new_tokens;
  std::optional<int64_t> max_denoising_steps;  // per canvas
  std::optional<float> entropy_bound;          // nats
  // The temperature falls linearly. Of N steps the first one has t_max, and the last one t_min + (t_max - t_min) / N.
  std::optional<float> t_min, t_max;
  std::optional<int64_t> stability_threshold;  // how often a step's argmax must be that of the step before
  std::optional<float> confidence_threshold;   // nats
  std::optional<std::vector<int32_t>> end_token_ids;
  // A text ends in front of the first of these strings. They are looked for in the text of the new tokens, without
  // special tokens, after each canvas; a string may begin in one canvas and end in the next. Where a string begins
  // within a token, what stands before it in that token is encoded anew, so that ids and text agree. ArgumentError for
  // an empty string, and for a model without a tokenizer.
  std::vector<std::string> stop;
  // One seed for all sequences, or one for each. Random draws depend on the seed and the absolute position alone, so a
  // sequence comes out the same in any batch. Give equal prompts different seeds to get different texts.
  std::vector<uint64_t> seeds = {0};
  // Ids that the first canvas starts from instead of noise, [C] for each sequence. If it is empty, it starts from
  // noise.
  std::vector<std::vector<int32_t>> canvas;
  // The pins: for each sequence a list with the pins of each canvas. Canvases behind the end of the list have no pins.
  std::vector<std::vector<PinnedTokens>> pinned;
  // Called after each step of each sequence. If it returns false, the generation ends, and canvases under way are
  // committed as they stand.
  std::function<bool(const StepEvent&)> on_step;
  // Called after each canvas of each sequence. If it returns false, the generation ends.
  std::function<bool(const CanvasEvent&)> on_canvas;
  // Called several times per pass. If it returns true, the call ends by throwing Interrupted.
  std::function<bool()> interrupted;
};

struct Timings {
  // Passes that only encode. The last slice of a prompt and every committed canvas are encoded by the first step of the
  // canvas behind them, and their time counts as that of the step.
  double encode_ms = 0;
  double denoise_ms = 0;
  double first_canvas_ms = 0;   // from the call to the first committed canvas
  int64_t steps = 0;            // passes in which canvases take a step; a large batch needs several for each
  std::vector<double> step_ms;  // of each of these passes, callbacks included
};

// Why a sequence ends where it does.
enum class FinishReason {
  kStop,       // it has an end token or a stop string
  kLength,     // it has max_new_tokens tokens, and would go on
  kCancelled,  // it was ended early: a canvas is missing, or the last one was committed before it settled
  kDeadline,   // its time was over; it has whole canvases only
};

// The words for them in Python and JSON.
inline constexpr std::string_view kFinishReasonNames[] = {"stop", "length", "cancelled", "deadline"};
constexpr std::string_view name_of(FinishReason reason) { return kFinishReasonNames[static_cast<size_t>(reason)]; }

// How many tokens one sequence took. Example: a session has encoded 100 tokens, and generates behind 20 further ones.
// Then prompt_tokens is 120 and cached_tokens 100.
struct Usage {
  int64_t prompt_tokens = 0;      // all in front of the new ones
  int64_t cached_tokens = 0;      // of these, the ones whose keys and values were there already
  int64_t completion_tokens = 0;  // the new ones, as many as Result::ids has
};

// What became of one sequence.
struct Result {
  std::vector<int32_t> prompt;  // what stands in front of the new tokens, all earlier tokens included
  // The new tokens, in front of the first end token and of the first stop string, and at most max_new_tokens.
  std::vector<int32_t> ids;
  std::vector<std::vector<int32_t>> canvases;  // [canvas][C] as committed, padded behind an end token
  std::vector<int64_t> denoising_steps;        // [canvas]
  FinishReason finish_reason = FinishReason::kLength;
  Usage usage;
  uint64_t seed = 0;              // the one that the sequence was drawn with
  double tokens_per_forward = 0;  // tokens that are not padding, divided by denoising steps
};

struct GenerationResult {
  std::vector<Result> results;  // one for each sequence
  bool stopped = false;         // whether a callback returned false
  Timings timings;
};

}  // namespace gesso
