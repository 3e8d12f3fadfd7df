#include "model/denoise.h"

#include <algorithm>
#include <vector>

#include "model/layer.h"
#include "model/self_conditioning.h"
#include "ops/lm_head.h"
#include "ops/rms_norm.h"

namespace gesso::model {
namespace {

// One pass over requests that fit the activations.
class DenoisePass {
 public:
  DenoisePass(const Context& context, const ModelConfig& config, const Weights& weights,
              std::span<const DenoiseRequest> requests, Activations& activations)
      : context_(context), config_(config), weights_(weights), requests_(requests), activations_(activations) {
    const int64_t canvas_length = config.canvas_length;
    batch_ = {Mode::kDenoise, {}, static_cast<int64_t>(requests.size()) * canvas_length, {}};
    std::vector<int32_t> ids;
    for (const DenoiseRequest& request : requests) {
      batch_.sequences.push_back(
          {request.cache, static_cast<int64_t>(ids.size()), canvas_length, request.cache->length()});
      ids.insert(ids.end(), request.canvas.begin(), request.canvas.end());
    }
    activations.staging().clear();
    ids_ = activations.staging().put(ids);
    stage_attention(config, weights, batch_, activations);
  }

  int64_t num_rows() const { return batch_.num_rows; }
  Matrix final_rows() { return activations_.normed(num_rows()); }

  // The whole stack. belief: of this pass' rows.
  void run(ConstMatrix belief) {
    embed(belief);
    for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
      transformer_layer(context_, config_, weights_, layer, AttentionPart::kAll, batch_, activations_);
    }
    context_.poll();
    ops::rms_norm(context_, activations_.hidden(num_rows()), weights_.output_norm, config_.rms_norm_eps, 1.0f,
                  final_rows());
  }

 private:
  // Runs of requests with self-conditioning, and of those without.
  void embed(ConstMatrix belief) {
    const int64_t canvas_length = config_.canvas_length;
    for (size_t first = 0, last = 0; first < requests_.size(); first = last) {
      const bool conditioned = requests_[first].has_self_conditioning;
      while (last < requests_.size() && requests_[last].has_self_conditioning == conditioned) ++last;
      const int64_t row = first * canvas_length, count = (last - first) * canvas_length;
      context_.poll();
      self_conditioned_embedding(context_, config_, weights_, ids_.subspan(row, count),
                                 conditioned ? belief.row_range(row, count) : ConstMatrix(), activations_,
                                 activations_.hidden(num_rows()).row_range(row, count));
    }
  }

  const Context& context_;
  const ModelConfig& config_;
  const Weights& weights_;
  std::span<const DenoiseRequest> requests_;
  Activations& activations_;
  Batch batch_;
  Staged<int32_t> ids_;
};

// What is fixed in a recorded step: how many canvases, which of them are told about the step before, and where the
// results go.
std::vector<int64_t> recording_key(std::span<const DenoiseRequest> requests, const void* belief, const void* stats) {
  std::vector<int64_t> key{reinterpret_cast<int64_t>(belief), reinterpret_cast<int64_t>(stats)};
  for (const DenoiseRequest& request : requests) key.push_back(request.has_self_conditioning);
  return key;
}

// Calls body(requests, first_row) for parts of at most activations.max_rows() rows.
template <typename Body>
void for_each_pass(const ModelConfig& config, std::span<const DenoiseRequest> requests, const Activations& activations,
                   const Body& body) {
  const size_t per_pass = std::max<int64_t>(1, activations.max_rows() / config.canvas_length);
  for (size_t first = 0; first < requests.size(); first += per_pass) {
    body(requests.subspan(first, std::min(per_pass, requests.size() - first)), first * config.canvas_length);
  }
}

}  // namespace

void denoise(const Context& context, const ModelConfig& config, const Weights& weights,
             std::span<const DenoiseRequest> all_requests, const CanvasRows& rows, Activations& activations) {
  for_each_pass(config, all_requests, activations, [&](std::span<const DenoiseRequest> requests, int64_t first_row) {
    if (first_row > 0) ops::synchronize(context);  // the staging memory is used again
    DenoisePass pass(context, config, weights, requests, activations);
    const int64_t count = pass.num_rows();
    const Staged<ops::HeadRow> head_rows = activations.staging().put(rows.rows.subspan(first_row, count));
    const Matrix belief = rows.belief.row_range(first_row, count);
    const ops::TokenStats stats{rows.stats.entropy.subspan(first_row, count),
                                rows.stats.argmax.subspan(first_row, count),
                                rows.stats.sampled.subspan(first_row, count)};
    activations.staging().upload(context);
    activations.replay().run(context, recording_key(requests, belief.data, stats.entropy.data()), [&] {
      pass.run(belief);
      ops::head_stats(context, pass.final_rows(), weights.output, weights.token_embd, config.final_logit_softcapping,
                      embed_scale(config), head_rows, stats, belief);
    });
  });
}

void denoise_logits(const Context& context, const ModelConfig& config, const Weights& weights,
                    std::span<const DenoiseRequest> all_requests, ConstMatrix belief, Matrix logits,
                    Activations& activations) {
  for_each_pass(config, all_requests, activations, [&](std::span<const DenoiseRequest> requests, int64_t first_row) {
    if (first_row > 0) ops::synchronize(context);  // the staging memory is used again
    DenoisePass pass(context, config, weights, requests, activations);
    activations.staging().upload(context);
    pass.run(belief.row_range(first_row, pass.num_rows()));
    ops::lm_head(context, pass.final_rows(), weights.output, config.final_logit_softcapping,
                 logits.row_range(first_row, pass.num_rows()));
  });
}

}  // namespace gesso::model
