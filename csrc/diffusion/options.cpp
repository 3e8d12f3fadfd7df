#include "diffusion/options.h"

#include <cmath>

#include "core/check.h"

namespace gesso::diffusion {
namespace {

constexpr int64_t kMaxSteps = int64_t{1} << 30;  // a step is a 32-bit counter of the random draws

void check_settings(const GenerationDefaults& s) {
  check(s.max_denoising_steps >= 1 && s.max_denoising_steps <= kMaxSteps, "max_denoising_steps: expected 1 to ",
        kMaxSteps, ", got ", s.max_denoising_steps);
  check(s.entropy_bound >= 0, "entropy_bound: expected a number >= 0, got ", s.entropy_bound);
  check(std::isfinite(s.t_min) && s.t_min >= 0, "t_min: expected a finite temperature >= 0, got ", s.t_min);
  check(std::isfinite(s.t_max) && s.t_max > 0, "t_max: expected a finite temperature > 0, got ", s.t_max);
  check(s.t_max >= s.t_min, "t_max: expected at least t_min ", s.t_min, ", got ", s.t_max);
  check(s.stability_threshold >= 0, "stability_threshold: expected an integer >= 0, got ", s.stability_threshold);
  check(s.confidence_threshold >= 0, "confidence_threshold: expected a number >= 0, got ", s.confidence_threshold);
}

void check_id(const char* what, int64_t id, const ModelConfig& config) {
  check(id >= 0 && id < config.vocab_size, what, ": token id ", id, " outside the vocabulary [0, ", config.vocab_size,
        ")");
}

void check_canvas(const GenerationOptions& options, const ModelConfig& config, int64_t batch_size) {
  if (options.canvas.empty()) return;
  check(static_cast<int64_t>(options.canvas.size()) == batch_size, "canvas: expected one per sequence (", batch_size,
        "), got ", options.canvas.size());
  for (const std::vector<int32_t>& canvas : options.canvas) {
    check(static_cast<int64_t>(canvas.size()) == config.canvas_length, "canvas: expected ", config.canvas_length,
          " token ids, got ", canvas.size());
    for (int32_t id : canvas) check_id("canvas", id, config);
  }
}

void check_pinned(const GenerationOptions& options, const ModelConfig& config, int64_t batch_size,
                  int64_t num_canvases) {
  if (options.pinned.empty()) return;
  check(static_cast<int64_t>(options.pinned.size()) == batch_size, "pinned: expected one entry per sequence (",
        batch_size, "), got ", options.pinned.size());
  for (const std::vector<PinnedTokens>& canvases : options.pinned) {
    check(static_cast<int64_t>(canvases.size()) <= num_canvases, "pinned: ", canvases.size(), " canvases given, but ",
          num_canvases, " will be generated");
    for (const PinnedTokens& pinned : canvases) {
      for (const auto& [position, id] : pinned) {
        check(position >= 0 && position < config.canvas_length, "pinned: position ", position,
              " outside the canvas [0, ", config.canvas_length, ")");
        check_id("pinned", id, config);
      }
    }
  }
}

}  // namespace

ResolvedOptions resolve_options(const GenerationOptions& options, const ModelConfig& config, int64_t batch_size) {
  ResolvedOptions resolved{1, config.generation};
  GenerationDefaults& s = resolved.settings;
  s.max_denoising_steps = options.max_denoising_steps.value_or(s.max_denoising_steps);
  s.entropy_bound = options.entropy_bound.value_or(s.entropy_bound);
  s.t_min = options.t_min.value_or(s.t_min);
  s.t_max = options.t_max.value_or(s.t_max);
  s.stability_threshold = options.stability_threshold.value_or(s.stability_threshold);
  s.confidence_threshold = options.confidence_threshold.value_or(s.confidence_threshold);
  check_settings(s);
  if (options.end_token_ids) {
    s.end_token_ids = *options.end_token_ids;
    for (int32_t id : s.end_token_ids) check_id("end_token_ids", id, config);
  }
  check(options.max_new_tokens >= 1, "max_new_tokens: expected at least 1, got ", options.max_new_tokens);
  check(options.max_new_tokens <= config.max_position_embeddings, "max_new_tokens: ", options.max_new_tokens,
        " is more than the model's context of ", config.max_position_embeddings, " tokens");
  resolved.num_canvases = (options.max_new_tokens + config.canvas_length - 1) / config.canvas_length;
  check(options.seeds.size() == 1 || static_cast<int64_t>(options.seeds.size()) == batch_size,
        "seed: expected one, or one per sequence (", batch_size, "), got ", options.seeds.size());
  check_canvas(options, config, batch_size);
  check_pinned(options, config, batch_size, resolved.num_canvases);
  return resolved;
}

}  // namespace gesso::diffusion
