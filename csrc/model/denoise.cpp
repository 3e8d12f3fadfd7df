#include "model/denoise.h"

#include <algorithm>
#include <vector>

#include "model/self_conditioning.h"
#include "ops/lm_head.h"
#include "ops/memory.h"
#include "ops/trace_range.h"

namespace gesso::model {
namespace {

// The key has what is fixed in a recorded step: how many canvases there are, which of them have self-conditioning, and
// where the results go.
std::vector<int64_t> recording_key(std::span<const DenoiseRequest> requests, const void* soft_embedding,
                                   const void* stats) {
  std::vector<int64_t> key{reinterpret_cast<int64_t>(soft_embedding), reinterpret_cast<int64_t>(stats)};
  for (const DenoiseRequest& request : requests) key.push_back(request.has_self_conditioning);
  return key;
}

// Cuts the requests into parts of at most pass.memory.max_rows() rows, of which rows_per_kind() may be of canvases, and
// calls body(requests, first_row) for each. A request is not cut; first_row counts the rows of canvases.
template <typename Body>
void for_each_pass(const PassContext& pass, std::span<const DenoiseRequest> requests, const Body& body) {
  for (size_t first = 0, last = 0; first < requests.size(); first = last) {
    int64_t canvas_rows = 0, rows = 0;
    do {
      canvas_rows += pass.config.canvas_length;
      rows += requests[last++].num_rows();
    } while (last < requests.size() && canvas_rows + pass.config.canvas_length <= pass.memory.rows_per_kind() &&
             rows + requests[last].num_rows() <= pass.memory.max_rows());
    body(requests.subspan(first, last - first), first * pass.config.canvas_length);
  }
}

}  // namespace

void denoise(const PassContext& pass, std::span<const DenoiseRequest> all_requests, const CanvasRows& rows) {
  for_each_pass(pass, all_requests, [&](std::span<const DenoiseRequest> requests, int64_t first_row) {
    if (first_row > 0) ops::synchronize(pass.context);  // before the staging memory is written again
    Pass stack(pass, requests);
    const int64_t count = stack.num_canvas_rows();
    const Staged<ops::HeadRow> head_rows = pass.memory.staging().put(rows.rows.subspan(first_row, count));
    const Matrix soft_embedding = rows.soft_embedding.row_range(first_row, count);
    const ops::TokenStats stats{rows.stats.entropy.subspan(first_row, count),
                                rows.stats.argmax.subspan(first_row, count),
                                rows.stats.sampled.subspan(first_row, count)};
    pass.memory.staging().upload(pass.context);
    const auto run = [&] {
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
    };
    // Texts have many lengths, so a step with texts would seldom be played back, and its recording would displace one
    // that is.
    if (std::any_of(requests.begin(), requests.end(), [](const DenoiseRequest& r) { return !r.text.empty(); })) {
      const ops::TraceRange range(pass.context, "step");
      run();
    } else {
      pass.memory.replay().run(pass.context, recording_key(requests, soft_embedding.data, stats.entropy.data()), run);
    }
  });
}

void denoise_logits(const PassContext& pass, std::span<const DenoiseRequest> all_requests, ConstMatrix soft_embedding,
                    Matrix logits) {
  for_each_pass(pass, all_requests, [&](std::span<const DenoiseRequest> requests, int64_t first_row) {
    if (first_row > 0) ops::synchronize(pass.context);  // before the staging memory is written again
    Pass stack(pass, requests);
    pass.memory.staging().upload(pass.context);
    stack.run(soft_embedding.row_range(first_row, stack.num_canvas_rows()));
    ops::lm_head(pass.context, {.x = stack.final_rows(),
                                .head = pass.weights.output,
                                .cap = pass.config.final_logit_softcapping,
                                .logits = logits.row_range(first_row, stack.num_canvas_rows())});
  });
}

void observe_denoising(const PassContext& pass, const DenoiseRequest& request, ConstMatrix soft_embedding,
                       const Observer& observer) {
  Pass stack(pass, {&request, 1});
  pass.memory.staging().upload(pass.context);
  stack.run(soft_embedding, observer);
}

}  // namespace gesso::model
