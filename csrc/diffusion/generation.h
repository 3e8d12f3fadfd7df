// The progress of one sequence: one canvas after the other is denoised until it settles, and is committed.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "diffusion/canvas.h"
#include "diffusion/options.h"
#include "diffusion/step_memory.h"
#include "diffusion/stop_strings.h"
#include "diffusion/stopping.h"
#include "gesso/generation.h"
#include "model/denoise.h"
#include "model/sequence.h"

namespace gesso::diffusion {

// It runs no pass. Whoever does asks request() for what the next one computes for this sequence, and gives the
// statistics to finish_step(). What is generated is appended to the sequence's ids, as far as it belongs to the text:
// in front of an end token and of a stop string, and max_new_tokens at most.
class Generation {
 public:
  // Continues `sequence`, which has the place `index` in the batch that `options` is for. Both must outlive the object.
  // ArgumentError when text and canvases do not fit the context.
  Generation(const ModelConfig& config, const GenerationOptions& options, const ResolvedOptions& resolved,
             model::Sequence& sequence, int64_t index);

  model::Sequence& sequence() const { return sequence_; }
  // Whether a canvas is under way that has taken a step.
  bool is_in_canvas() const { return steps_ > 0; }
  bool has_stepped() const { return is_in_canvas() || !result_.canvases.empty(); }
  int64_t num_canvases() const { return std::ssize(result_.canvases); }  // that are committed
  // Whether there is nothing more to do. Then result() has the whole outcome.
  bool is_done() const { return is_done_; }
  // Whether a callback returned false.
  bool is_stopped() const { return is_stopped_; }

  // What the next step of the canvas reads. It makes a new canvas where none is under way. All pending ids of the
  // sequence go along as its text. Valid until finish_step().
  model::DenoiseRequest request();
  // Appends what the head needs for each row of the next step.
  void append_head_rows(std::vector<ops::HeadRow>& rows) const;
  // Takes the statistics of the step, which must be finite, samples, and calls on_step. Returns whether the canvas is
  // done: then commit() must follow, before any other step.
  bool finish_step(const CanvasStatistics& statistics);
  // Commits the canvas as it stands, and calls on_canvas. Without a canvas under way it does nothing.
  void commit();
  // Ends the generation before all canvases are there. A canvas under way is dropped.
  void end(FinishReason reason);
  NumericsError find_not_finite(const model::PassContext& pass, const model::DenoiseRequest& request,
                                ConstMatrix soft_embedding, int64_t row) const;

  // Valid when is_done().
  Result& result() { return result_; }
  const Result& result() const { return result_; }

 private:
  void start_canvas();
  void end_at(const StopStrings::Cut& cut);

  const ModelConfig& config_;
  const GenerationOptions& options_;
  const ResolvedOptions& resolved_;
  model::Sequence& sequence_;
  int64_t index_;
  std::optional<Canvas> canvas_;
  std::optional<Stopping> stopping_;
  std::optional<StopStrings> stop_strings_;
  int64_t steps_ = 0;      // of the current canvas
  bool is_whole_ = false;  // whether it has settled or taken all its steps
  bool is_done_ = false, is_stopped_ = false;
  Result result_;
};

}  // namespace gesso::diffusion
