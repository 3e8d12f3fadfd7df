#include "model/denoise.h"

#include <algorithm>
#include <vector>

#include "model/layer.h"
#include "model/self_conditioning.h"
#include "ops/lm_head.h"
#include "ops/rms_norm.h"

namespace gesso::model {
namespace {

// One pass over requests whose rows fit the pass scratch.
class DenoisePass {
 public:
  DenoisePass(const PassContext& pass, std::span<const DenoiseRequest> requests) : pass_(pass), requests_(requests) {
    const int64_t canvas_length = pass.config.canvas_length;
    batch_ = {Mode::kDenoise, {}, static_cast<int64_t>(requests.size()) * canvas_length, {}};
    std::vector<int32_t> ids;
    for (const DenoiseRequest& request : requests) {
      batch_.sequences.push_back(
          {request.cache, static_cast<int64_t>(ids.size()), canvas_length, request.cache->length()});
      ids.insert(ids.end(), request.canvas.begin(), request.canvas.end());
    }
    pass.memory.staging().clear();
    ids_ = pass.memory.staging().put(ids);
    stage_attention(pass, batch_);
  }

  int64_t num_rows() const { return batch_.num_rows; }
  Matrix final_rows() { return pass_.memory.normed(num_rows()); }

  // Runs all layers. soft_embedding: the rows of this pass.
  void run(ConstMatrix soft_embedding, const Observer& observer = {}) {
    const Matrix hidden = pass_.memory.hidden(num_rows());
    embed(soft_embedding);
    if (observer) observer(kEmbedding, hidden);
    for (int64_t layer = 0; layer < pass_.config.num_hidden_layers; ++layer) {
      transformer_layer(pass_, layer, AttentionPart::kAll, batch_);
      if (observer) observer(layer, hidden);
    }
    pass_.context.poll();
    ops::rms_norm(
        pass_.context,
        {.x = hidden, .weight = pass_.weights.output_norm, .eps = pass_.config.rms_norm_eps, .out = final_rows()});
    if (observer) observer(kFinalNorm, final_rows());
  }

 private:
  // Neighbouring requests that have self-conditioning are embedded together, and so are neighbouring ones that have
  // not.
  void embed(ConstMatrix soft_embedding) {
    const int64_t canvas_length = pass_.config.canvas_length;
    for (size_t first = 0, last = 0; first < requests_.size(); first = last) {
      const bool conditioned = requests_[first].has_self_conditioning;
      while (last < requests_.size() && requests_[last].has_self_conditioning == conditioned) ++last;
      const int64_t row = first * canvas_length, count = (last - first) * canvas_length;
      pass_.context.poll();
      self_conditioned_embedding(pass_, ids_.subspan(row, count),
                                 conditioned ? soft_embedding.row_range(row, count) : ConstMatrix(),
                                 pass_.memory.hidden(num_rows()).row_range(row, count));
    }
  }

  const PassContext& pass_;
  std::span<const DenoiseRequest> requests_;
  Batch batch_;
  Staged<int32_t> ids_;
};

// The key has what is fixed in a recorded step: how many canvases there are, which of them have self-conditioning, and
// where the results go.
std::vector<int64_t> recording_key(std::span<const DenoiseRequest> requests, const void* soft_embedding,
                                   const void* stats) {
  std::vector<int64_t> key{reinterpret_cast<int64_t>(soft_embedding), reinterpret_cast<int64_t>(stats)};
  for (const DenoiseRequest& request : requests) key.push_back(request.has_self_conditioning);
  return key;
}

// Cuts the requests into parts of at most pass.memory.max_rows() rows, and calls body(requests, first_row) for each.
template <typename Body>
void for_each_pass(const PassContext& pass, std::span<const DenoiseRequest> requests, const Body& body) {
  const size_t per_pass = std::max<int64_t>(1, pass.memory.max_rows() / pass.config.canvas_length);
  for (size_t first = 0; first < requests.size(); first += per_pass) {
    body(requests.subspan(first, std::min(per_pass, requests.size() - first)), first * pass.config.canvas_length);
  }
}

}  // namespace

void denoise(const PassContext& pass, std::span<const DenoiseRequest> all_requests, const CanvasRows& rows) {
  for_each_pass(pass, all_requests, [&](std::span<const DenoiseRequest> requests, int64_t first_row) {
    if (first_row > 0) ops::synchronize(pass.context);  // before the staging memory is written again
    DenoisePass stack(pass, requests);
    const int64_t count = stack.num_rows();
    const Staged<ops::HeadRow> head_rows = pass.memory.staging().put(rows.rows.subspan(first_row, count));
    const Matrix soft_embedding = rows.soft_embedding.row_range(first_row, count);
    const ops::TokenStats stats{rows.stats.entropy.subspan(first_row, count),
                                rows.stats.argmax.subspan(first_row, count),
                                rows.stats.sampled.subspan(first_row, count)};
    pass.memory.staging().upload(pass.context);
    const std::vector<int64_t> key = recording_key(requests, soft_embedding.data, stats.entropy.data());
    pass.memory.replay().run(pass.context, key, [&] {
      stack.run(soft_embedding);
      ops::head_stats(pass.context, {.x = stack.final_rows(),
                                     .head = pass.weights.output,
                                     .table = pass.weights.token_embd,
                                     .cap = pass.config.final_logit_softcapping,
                                     .embed_scale = embed_scale(pass.config),
                                     .rows = head_rows,
                                     .stats = stats,
                                     .soft_embedding = soft_embedding,
                                     .left_out_share = left_out_share(pass)});
    });
  });
}

void denoise_logits(const PassContext& pass, std::span<const DenoiseRequest> all_requests, ConstMatrix soft_embedding,
                    Matrix logits) {
  for_each_pass(pass, all_requests, [&](std::span<const DenoiseRequest> requests, int64_t first_row) {
    if (first_row > 0) ops::synchronize(pass.context);  // before the staging memory is written again
    DenoisePass stack(pass, requests);
    pass.memory.staging().upload(pass.context);
    stack.run(soft_embedding.row_range(first_row, stack.num_rows()));
    ops::lm_head(pass.context, {.x = stack.final_rows(),
                                .head = pass.weights.output,
                                .cap = pass.config.final_logit_softcapping,
                                .logits = logits.row_range(first_row, stack.num_rows())});
  });
}

void observe_denoising(const PassContext& pass, const DenoiseRequest& request, ConstMatrix soft_embedding,
                       const Observer& observer) {
  DenoisePass stack(pass, {&request, 1});
  pass.memory.staging().upload(pass.context);
  stack.run(soft_embedding, observer);
}

}  // namespace gesso::model
