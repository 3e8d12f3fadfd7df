// What a generation takes, reports and returns.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace gesso {

// After one denoising step of one sequence. Spans have the canvas' length and are valid during the callback.
struct StepEvent {
  int64_t sequence = 0;  // index in the batch
  int64_t canvas = 0;    // index among this call's canvases
  int64_t step = 0;      // 0 is the first
  int64_t max_denoising_steps = 0;
  float mean_entropy = 0;             // over the positions that are not pinned, nats
  std::span<const int32_t> argmax;    // the canvas as it would be committed now
  std::span<const uint8_t> accepted;  // 1: accepted in this step, or pinned
  std::span<const float> entropies;   // nats
};

// After a canvas was committed.
struct CanvasEvent {
  int64_t sequence = 0;
  int64_t canvas = 0;
  int64_t denoising_steps = 0;   // it took
  bool finished = false;         // it holds an end token
  std::span<const int32_t> ids;  // [C], padded after the first end token
};

// Token ids by canvas position that the caller fixes: never renoised, committed as given, and outside the entropy
// budget, the stability test and the mean entropy.
using PinnedTokens = std::map<int64_t, int32_t>;

// Unset options take the checkpoint's value. All are checked before work starts; ArgumentError names the option.
struct GenerationOptions {
  int64_t max_new_tokens = 256;                // rounded up to whole canvases, as in the reference
  std::optional<int64_t> max_denoising_steps;  // N >= 1
  std::optional<float> entropy_bound;          // >= 0, nats
  std::optional<float> t_min, t_max;           // 0 <= t_min <= t_max, t_max > 0
  std::optional<int64_t> stability_threshold;  // >= 0
  std::optional<float> confidence_threshold;   // >= 0, nats
  std::optional<std::vector<int32_t>> end_token_ids;
  // One seed for all sequences or one for each. Draws depend on the seed and the absolute position alone, so a sequence
  // comes out the same in any batch; give equal prompts different seeds to get different texts.
  std::vector<uint64_t> seeds = {0};
  // Ids the first canvas starts from instead of noise, one [C] per sequence; empty: noise.
  std::vector<std::vector<int32_t>> canvas;
  // Per sequence, per canvas; missing entries pin nothing.
  std::vector<std::vector<PinnedTokens>> pinned;
  // Returning false ends the generation: canvases under way are committed as they stand.
  std::function<bool(const StepEvent&)> on_step;
  std::function<bool(const CanvasEvent&)> on_canvas;
  // Polled several times per pass; true ends the call by throwing Interrupted.
  std::function<bool()> interrupted;
};

struct Timings {
  double encode_ms = 0;
  double denoise_ms = 0;
  double first_canvas_ms = 0;   // from the call to the first committed canvas
  int64_t steps = 0;            // denoising passes over the batch
  std::vector<double> step_ms;  // of each of them, callbacks included
};

struct GenerationResult {
  std::vector<std::vector<int32_t>> sequences;              // new tokens up to and without the first end token
  std::vector<std::vector<std::vector<int32_t>>> canvases;  // [sequence][canvas][C] as committed
  std::vector<std::vector<int64_t>> denoising_steps;        // [sequence][canvas]
  std::vector<double> tokens_per_forward;                   // tokens that are not padding per denoising pass
  bool stopped = false;                                     // a callback returned false
  Timings timings;
};

}  // namespace gesso
