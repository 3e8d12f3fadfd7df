#include "diffusion/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "core/check.h"
#include "diffusion/canvas.h"
#include "diffusion/end_tokens.h"
#include "diffusion/entropy_bound_sampler.h"
#include "diffusion/not_finite.h"
#include "diffusion/options.h"
#include "diffusion/step_memory.h"
#include "diffusion/stopping.h"
#include "diffusion/temperature_schedule.h"
#include "model/denoise.h"
#include "model/encode.h"

namespace gesso::diffusion {
namespace {

class Stopwatch {
 public:
  double ms() const { return std::chrono::duration<double, std::milli>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

// What a generation keeps for one sequence.
struct Track {
  Track(model::Sequence& sequence, int64_t index) : sequence(&sequence), index(index) {}

  model::Sequence* sequence;
  int64_t index;  // in the batch
  std::optional<Canvas> canvas;
  std::optional<Stopping> stopping;
  int64_t steps = 0;      // of the current canvas
  bool settled = false;   // whether the current canvas may stop
  bool finished = false;  // whether the sequence has an end token
};

class Generation {
 public:
  Generation(const model::PassContext& pass, std::span<model::Sequence> sequences, const GenerationOptions& options)
      : pass_(pass),
        config_(pass.config),
        options_(options),
        resolved_(resolve_options(options, pass.config, static_cast<int64_t>(sequences.size()))),
        memory_(pass.context, pass.config, static_cast<int64_t>(sequences.size())) {
    for (size_t i = 0; i < sequences.size(); ++i) {
      const int64_t length = static_cast<int64_t>(sequences[i].ids.size());
      const int64_t needed = length + resolved_.num_canvases * config_.canvas_length;
      check(needed <= config_.max_position_embeddings, "sequence ", i, ": ", length, " tokens and ",
            resolved_.num_canvases, " canvases of ", config_.canvas_length, " need ", needed,
            " positions, but the model's context is ", config_.max_position_embeddings);
      tracks_.emplace_back(sequences[i], i);
      Result& result = result_.results.emplace_back();
      result.prompt = sequences[i].ids;
      result.usage = {.prompt_tokens = length, .cached_tokens = sequences[i].cache.length()};
      result.seed = options.seeds[options.seeds.size() == 1 ? 0 : i];
    }
  }

  GenerationResult run() {
    for (int64_t index = 0; index < resolved_.num_canvases && !result_.stopped && any_unfinished(); ++index) {
      start_canvas(index);
      denoise_canvas(index);
      commit_canvas(index);
    }
    finish();
    return std::move(result_);
  }

 private:
  bool any_unfinished() const {
    return std::any_of(tracks_.begin(), tracks_.end(), [](const Track& track) { return !track.finished; });
  }

  // The last slice of what is not encoded yet waits for the canvas' first step, which encodes it in the same pass. The
  // slices of canvases that share a pass must fit beside them, since the canvases would else take more passes.
  void start_canvas(int64_t index) {
    const Stopwatch watch;
    const int64_t num_open = std::count_if(tracks_.begin(), tracks_.end(), [](const Track& t) { return !t.finished; });
    const int64_t together = std::min(num_open, pass_.memory.rows_per_kind() / config_.canvas_length);
    const int64_t slice = pass_.memory.text_rows(together * config_.canvas_length) / together;
    std::vector<model::EncodeRequest> before;
    for (const Track& track : tracks_) {
      if (track.finished) continue;
      model::Sequence& sequence = *track.sequence;
      sequence.cache.reserve(pass_.context, std::ssize(sequence.ids));
      const std::span<const int32_t> pending = sequence.pending();
      before.push_back({&sequence.cache, pending.first(std::max<int64_t>(0, std::ssize(pending) - slice))});
    }
    model::encode(pass_, before);
    result_.timings.encode_ms += watch.ms();
    for (Track& track : tracks_) {
      if (!track.finished) reset_track(track, index);
    }
  }

  void reset_track(Track& track, int64_t canvas_index) {
    const bool warm = canvas_index == 0 && !options_.canvas.empty();
    PinnedTokens pinned;
    if (!options_.pinned.empty() && canvas_index < static_cast<int64_t>(options_.pinned[track.index].size())) {
      pinned = options_.pinned[track.index][canvas_index];
    }
    track.canvas.emplace(config_.canvas_length, config_.vocab_size, result_.results[track.index].seed,
                         static_cast<int64_t>(track.sequence->ids.size()),
                         warm ? options_.canvas[track.index] : std::vector<int32_t>(), std::move(pinned));
    track.stopping.emplace(resolved_.settings);
    track.steps = 0;
    track.settled = false;
  }

  void denoise_canvas(int64_t index) {
    const Stopwatch watch;
    std::vector<Track*> active;
    for (Track& track : tracks_) {
      if (!track.finished) active.push_back(&track);
    }
    for (int64_t step = 0; step < resolved_.settings.max_denoising_steps && !result_.stopped; ++step) {
      if (active.empty()) break;
      const Stopwatch step_watch;
      forward(active, index, step);
      ++result_.timings.steps;
      for (size_t i = 0; i < active.size(); ++i) sample(*active[i], index, step, memory_.statistics(i));
      drop_settled(active);
      result_.timings.step_ms.push_back(step_watch.ms());
    }
    result_.timings.denoise_ms += watch.ms();
  }

  // Runs one pass over the active canvases. Afterwards memory_ has their statistics, which are finite.
  void forward(const std::vector<Track*>& active, int64_t index, int64_t step) {
    const GenerationDefaults& s = resolved_.settings;
    const float temperature = diffusion::temperature(s.t_min, s.t_max, step, s.max_denoising_steps);
    std::vector<model::DenoiseRequest> requests;
    model::CacheRollback rollback;
    rows_.clear();
    for (Track* track : active) {
      const Canvas& canvas = *track->canvas;
      model::Sequence& sequence = *track->sequence;
      requests.push_back({&sequence.cache, canvas.ids, track->steps > 0, sequence.pending()});
      if (!requests.back().text.empty()) rollback.add(sequence.cache);
      for (int64_t i = 0; i < canvas.length(); ++i) {
        rows_.push_back({{canvas.seed, canvas.first_position + i, static_cast<int32_t>(step)}, temperature});
      }
    }
    pass_.context.poll();
    model::denoise(pass_, requests, memory_.canvas_rows(rows_));
    memory_.read_back(pass_.context);
    for (size_t i = 0; i < active.size(); ++i) check_finite(*active[i], requests[i], i, index, step);
    rollback.release();
  }

  // i: the canvas' place in the pass.
  void check_finite(const Track& track, const model::DenoiseRequest& request, size_t i, int64_t index, int64_t step) {
    const std::span<const float> entropies = memory_.statistics(i).entropies;
    const auto broken = std::find_if(entropies.begin(), entropies.end(), [](float x) { return !std::isfinite(x); });
    if (broken == entropies.end()) return;
    const int64_t length = config_.canvas_length, first_row = static_cast<int64_t>(i) * length;
    throw find_not_finite(pass_,
                          {.sequence = *track.sequence,
                           .request = request,
                           .soft_embedding = memory_.canvas_rows(rows_).soft_embedding.row_range(first_row, length),
                           .row = broken - entropies.begin(),
                           .index = track.index,
                           .canvas = index,
                           .step = step});
  }

  // Row i * C + c of a pass is position c of its canvas i. So the soft embeddings of the canvases that remain move
  // together.
  void drop_settled(std::vector<Track*>& active) {
    size_t kept = 0;
    for (size_t i = 0; i < active.size(); ++i) {
      if (active[i]->settled) continue;
      memory_.move_soft_embedding(pass_.context, i, kept);
      active[kept++] = active[i];
    }
    active.resize(kept);
  }

  // Finishes one step of one canvas, once its statistics are there.
  void sample(Track& track, int64_t canvas_index, int64_t step, const CanvasStatistics& statistics) {
    const GenerationDefaults& s = resolved_.settings;
    Canvas& canvas = *track.canvas;
    canvas.argmax.assign(statistics.argmax.begin(), statistics.argmax.end());
    canvas.apply_pins(canvas.argmax);
    const std::vector<uint8_t> accepted = accept(canvas, statistics.entropies, s.entropy_bound);
    canvas.renoise(accepted, statistics.sampled, step);
    const float mean = mean_entropy(canvas, statistics.entropies);
    track.settled = track.stopping->update(canvas.argmax, mean);
    ++track.steps;
    const StepEvent event{track.index, canvas_index,  step,     s.max_denoising_steps,
                          mean,        canvas.argmax, accepted, statistics.entropies};
    if (options_.on_step && !options_.on_step(event)) result_.stopped = true;
  }

  void commit_canvas(int64_t index) {
    for (Track& track : tracks_) {
      if (track.finished || track.steps == 0) continue;
      std::vector<int32_t> ids = track.canvas->argmax;
      const int64_t length = length_before_end(ids, resolved_.settings.end_token_ids);
      track.finished = length < std::ssize(ids);
      track.sequence->ids.insert(track.sequence->ids.end(), ids.begin(), ids.begin() + length);
      if (track.finished) pad_behind_end(ids, length, config_.pad_token_id);
      result_.results[track.index].denoising_steps.push_back(track.steps);
      result_.results[track.index].canvases.push_back(ids);
      if (result_.timings.first_canvas_ms == 0) result_.timings.first_canvas_ms = total_.ms();
      const CanvasEvent event{track.index, index, track.steps, track.finished, ids};
      if (options_.on_canvas && !options_.on_canvas(event)) result_.stopped = true;
    }
  }

  void finish() {
    for (const Track& track : tracks_) {
      Result& result = result_.results[track.index];
      result.ids.assign(track.sequence->ids.begin() + result.usage.prompt_tokens, track.sequence->ids.end());
      result.usage.completion_tokens = std::ssize(result.ids);
      result.finish_reason = finish_reason(track);
      int64_t num_tokens = 0, num_steps = 0;
      for (const std::vector<int32_t>& canvas : result.canvases) {
        num_tokens += canvas.size() - std::count(canvas.begin(), canvas.end(), config_.pad_token_id);
      }
      for (int64_t steps : result.denoising_steps) num_steps += steps;
      result.tokens_per_forward = num_steps > 0 ? static_cast<double>(num_tokens) / num_steps : 0.0;
    }
  }

  FinishReason finish_reason(const Track& track) const {
    if (track.finished) return FinishReason::kStop;
    const bool has_all = std::ssize(result_.results[track.index].canvases) == resolved_.num_canvases;
    const bool last_is_whole = track.settled || track.steps == resolved_.settings.max_denoising_steps;
    return has_all && last_is_whole ? FinishReason::kLength : FinishReason::kCancelled;
  }

  const model::PassContext& pass_;
  const ModelConfig& config_;
  const GenerationOptions& options_;
  const ResolvedOptions resolved_;
  StepMemory memory_;
  std::vector<ops::HeadRow> rows_;
  std::vector<Track> tracks_;
  const Stopwatch total_;
  GenerationResult result_;
};

}  // namespace

GenerationResult generate(const model::PassContext& pass, std::span<model::Sequence> sequences,
                          const GenerationOptions& options) {
  return Generation(pass, sequences, options).run();
}

}  // namespace gesso::diffusion
