#include "diffusion/options.h"

#include <limits>

#include "core/check.h"
#include "diffusion/option_table.h"
#include "diffusion/temperature_schedule.h"

namespace gesso::diffusion {
namespace {

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

// The last step has the lowest temperature. The logits divided by it, and their differences, must be finite.
void check_temperatures(const GenerationDefaults& s, const ModelConfig& config) {
  const float last = temperature(s.t_min, s.t_max, s.max_denoising_steps - 1, s.max_denoising_steps);
  const float least = 4 * config.final_logit_softcapping / std::numeric_limits<float>::max();
  check(last >= least, "t_min and t_max: expected a temperature of at least ", least, " in the last of ",
        s.max_denoising_steps, " steps, got ", last, " from t_min ", s.t_min, " and t_max ", s.t_max);
}

void check_seeds(const GenerationOptions& options, int64_t batch_size) {
  check(options.seeds.size() == 1 || static_cast<int64_t>(options.seeds.size()) == batch_size,
        "seed: expected one, or one per sequence (", batch_size, "), got ", options.seeds.size());
}

void check_stop(const GenerationOptions& options, const std::optional<Tokenizer>& tokenizer) {
  check(options.stop.empty() || tokenizer, "stop: the model has no tokenizer, so its tokens have no text");
  for (size_t i = 0; i < options.stop.size(); ++i) {
    check(!options.stop[i].empty(), "stop: expected strings of at least one character, but string ", i, " is empty");
    try {
      tokenizer->encode(options.stop[i], false);  // it must be UTF-8
    } catch (const ArgumentError& error) {
      throw ArgumentError(concat("stop: string ", i, ": ", error.what()));
    }
  }
}

// Takes the value of one option from the caller, or else from the defaults that `settings` holds.
struct Resolver {
  const Option& option;
  const GenerationOptions& given;
  const ModelConfig& config;
  GenerationDefaults& settings;

  template <typename T>
  void operator()(const Number<T>& number) const {
    T& setting = settings.*number.fallback;
    setting = (given.*number.value).value_or(setting);
    const std::string problem = option.problem(setting);
    check(problem.empty(), option.name, ": ", problem);
  }
  void operator()(const Ids& ids) const {
    if (!(given.*ids.value)) return;
    settings.*ids.fallback = *(given.*ids.value);
    for (int32_t id : settings.*ids.fallback) check_id(option.name, id, config);
  }
  // These have no default. What they may be depends on the batch, so resolve_options checks them.
  void operator()(const Seeds&) const {}
  void operator()(const WarmCanvas&) const {}
  void operator()(const Pinned&) const {}
  void operator()(const Texts&) const {}
};

}  // namespace

ResolvedOptions resolve_options(const GenerationOptions& options, const ModelConfig& config, int64_t batch_size,
                                const std::optional<Tokenizer>& tokenizer) {
  ResolvedOptions resolved{1, config.generation, std::nullopt};
  GenerationDefaults& s = resolved.settings;
  for (const Option& option : option_table()) std::visit(Resolver{option, options, config, s}, option.member);
  check(s.t_max >= s.t_min, "t_max: expected at least t_min ", s.t_min, ", got ", s.t_max);
  check_temperatures(s, config);
  check(s.max_new_tokens <= config.max_position_embeddings, "max_new_tokens: ", s.max_new_tokens,
        " is more than the model's context of ", config.max_position_embeddings, " tokens");
  resolved.num_canvases = (s.max_new_tokens + config.canvas_length - 1) / config.canvas_length;
  check_seeds(options, batch_size);
  check_canvas(options, config, batch_size);
  check_pinned(options, config, batch_size, resolved.num_canvases);
  check_stop(options, tokenizer);
  if (!options.stop.empty()) resolved.tokenizer = tokenizer;
  return resolved;
}

}  // namespace gesso::diffusion
