#include "diffusion/generation.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/check.h"
#include "diffusion/end_tokens.h"
#include "diffusion/entropy_bound_sampler.h"
#include "diffusion/not_finite.h"
#include "diffusion/temperature_schedule.h"

namespace gesso::diffusion {
namespace {

// The text may end within the last canvas, but a canvas is always whole.
void check_fits(int64_t length, int64_t index, int64_t num_canvases, const ModelConfig& config) {
  const int64_t canvas = config.canvas_length, context = config.max_position_embeddings;
  const int64_t needed = length + num_canvases * canvas, most_canvases = (context - length) / canvas;
  const std::string fitting = most_canvases > 0 ? concat("max_new_tokens of at most ", most_canvases * canvas, " fits")
                                                : concat("a prompt of at most ", context - canvas, " tokens fits");
  check(needed <= context, "sequence ", index, ": ", length, " tokens and ", num_canvases, " canvases of ", canvas,
        " need ", needed, " positions, but the model's context is ", context, "; ", fitting);
}

}  // namespace

Generation::Generation(const ModelConfig& config, const GenerationOptions& options, const ResolvedOptions& resolved,
                       model::Sequence& sequence, int64_t index)
    : config_(config), options_(options), resolved_(resolved), sequence_(sequence), index_(index) {
  const int64_t length = std::ssize(sequence.ids);
  check_fits(length, index, resolved.num_canvases, config);
  result_.prompt = sequence.ids;
  result_.seed = options.seeds[options.seeds.size() == 1 ? 0 : index];
  result_.usage = {.prompt_tokens = length, .cached_tokens = sequence.cache.length()};
  if (resolved.tokenizer) stop_strings_.emplace(*resolved.tokenizer, options.stop);
}

void Generation::start_canvas() {
  const size_t canvas_index = result_.canvases.size();
  const bool is_warm = canvas_index == 0 && !options_.canvas.empty();
  PinnedTokens pinned;
  if (!options_.pinned.empty() && canvas_index < options_.pinned[index_].size()) {
    pinned = options_.pinned[index_][canvas_index];
  }
  canvas_.emplace(config_.canvas_length, config_.vocab_size, result_.seed, std::ssize(sequence_.ids),
                  is_warm ? options_.canvas[index_] : std::vector<int32_t>(), std::move(pinned));
  stopping_.emplace(resolved_.settings);
}

model::DenoiseRequest Generation::request() {
  if (!canvas_) start_canvas();
  return {&sequence_.cache, canvas_->ids, is_in_canvas(), sequence_.pending()};
}

void Generation::append_head_rows(std::vector<ops::HeadRow>& rows) const {
  const GenerationDefaults& s = resolved_.settings;
  const float temperature = diffusion::temperature(s.t_min, s.t_max, steps_, s.max_denoising_steps);
  for (int64_t i = 0; i < canvas_->length(); ++i) {
    rows.push_back({{canvas_->seed, canvas_->first_position + i, static_cast<int32_t>(steps_)}, temperature});
  }
}

bool Generation::finish_step(const CanvasStatistics& statistics) {
  const GenerationDefaults& s = resolved_.settings;
  Canvas& canvas = *canvas_;
  canvas.argmax.assign(statistics.argmax.begin(), statistics.argmax.end());
  canvas.apply_pins(canvas.argmax);
  const std::vector<uint8_t> accepted = accept(canvas, statistics.entropies, s.entropy_bound);
  canvas.renoise(accepted, statistics.sampled, steps_);
  const float mean = mean_entropy(canvas, statistics.entropies);
  const bool is_settled = stopping_->update(canvas.argmax, mean);
  is_whole_ = is_settled || steps_ + 1 == s.max_denoising_steps;
  const StepEvent event{index_,   std::ssize(result_.canvases), steps_, s.max_denoising_steps, mean, canvas.argmax,
                        accepted, statistics.entropies};
  ++steps_;
  if (options_.on_step && !options_.on_step(event)) is_stopped_ = true;
  return is_whole_ || is_stopped_;
}

void Generation::commit() {
  if (!is_in_canvas()) return;
  std::vector<int32_t> ids = std::move(canvas_->argmax);
  const int64_t num_before = std::ssize(sequence_.ids) - result_.usage.prompt_tokens;
  const int64_t num_left = resolved_.settings.max_new_tokens - num_before;
  const int64_t end_token = length_before_end(ids, resolved_.settings.end_token_ids);
  const bool is_finished = end_token < std::ssize(ids);
  int64_t text_length = std::min(end_token, num_left);
  bool is_stop = is_finished && end_token <= num_left;
  sequence_.ids.insert(sequence_.ids.end(), ids.begin(), ids.begin() + text_length);
  if (is_finished) pad_behind_end(ids, end_token, config_.pad_token_id);
  if (stop_strings_) {
    if (const auto cut = stop_strings_->read(std::span<const int32_t>(ids).first(text_length))) {
      text_length = std::max<int64_t>(cut->num_ids - num_before, 0);
      is_stop = true;
      end_at(*cut);
    }
  }
  const CanvasEvent event{index_, std::ssize(result_.canvases), steps_, is_finished, text_length, ids};
  result_.denoising_steps.push_back(steps_);
  canvas_.reset();
  steps_ = 0;
  if (options_.on_canvas && !options_.on_canvas(event)) is_stopped_ = true;
  result_.canvases.push_back(std::move(ids));
  if (is_stop && is_whole_) {
    end(FinishReason::kStop);
  } else if (!is_whole_ || (is_stopped_ && num_canvases() < resolved_.num_canvases)) {
    end(FinishReason::kCancelled);
  } else if (num_canvases() == resolved_.num_canvases) {
    end(FinishReason::kLength);
  }
}

// The sequence ends in front of a stop string.
void Generation::end_at(const StopStrings::Cut& cut) {
  sequence_.rewind(result_.usage.prompt_tokens + cut.num_ids);
  const int64_t num_left = resolved_.settings.max_new_tokens - cut.num_ids;
  const auto rest = std::span(cut.rest).first(std::min<int64_t>(num_left, std::ssize(cut.rest)));
  sequence_.ids.insert(sequence_.ids.end(), rest.begin(), rest.end());
}

void Generation::end(FinishReason reason) {
  canvas_.reset();
  steps_ = 0;
  is_done_ = true;
  Result& r = result_;
  r.finish_reason = reason;
  r.ids.assign(sequence_.ids.begin() + r.usage.prompt_tokens, sequence_.ids.end());
  r.usage.completion_tokens = std::ssize(r.ids);
  int64_t num_tokens = 0;
  for (const std::vector<int32_t>& canvas : r.canvases) {
    num_tokens += std::ssize(canvas) - std::count(canvas.begin(), canvas.end(), config_.pad_token_id);
  }
  const int64_t num_steps = std::accumulate(r.denoising_steps.begin(), r.denoising_steps.end(), int64_t{0});
  r.tokens_per_forward = num_steps > 0 ? static_cast<double>(num_tokens) / static_cast<double>(num_steps) : 0.0;
}

NumericsError Generation::find_not_finite(const model::PassContext& pass, const model::DenoiseRequest& request,
                                          ConstMatrix soft_embedding, int64_t row) const {
  return diffusion::find_not_finite(pass, {.sequence = sequence_,
                                           .request = request,
                                           .soft_embedding = soft_embedding,
                                           .row = row,
                                           .index = index_,
                                           .canvas = std::ssize(result_.canvases),
                                           .step = steps_});
}

}  // namespace gesso::diffusion
