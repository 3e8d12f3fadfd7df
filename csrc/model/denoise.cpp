#include "model/denoise.h"

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "model/self_conditioning.h"
#include "ops/lm_head.h"
#include "ops/memory.h"
#include "ops/trace_range.h"

namespace gesso::model {
namespace {

// The key has what is fixed in a recorded step: how many canvases there are, which of them have self-conditioning, and
// where the results go.
std::vector<int64_t> recording_key(std::span<const DenoiseRequest> requests, const CanvasRows& rows) {
  const ops::TokenStats& stats = rows.stats;
  std::vector<int64_t> key{stats.num_top()};
  for (const void* result : std::initializer_list<const void*>{rows.soft_embedding.data, stats.entropy.data(),
                                                               stats.log_sum.data(), stats.top.data()}) {
    key.push_back(reinterpret_cast<int64_t>(result));
  }
  for (const DenoiseRequest& request : requests) key.push_back(request.has_self_conditioning);
  return key;
}

// A caller's callback may do anything, for example run a signal handler of Python, which uses the GPU itself. While a
// step is recorded, that would spoil the recording. And a device needs no question within a step: the ops only put
// their work into its queue, which takes milliseconds for a whole step.
Context without_callback_on_device(Context context) {
  if (context.queue) context.interrupted = nullptr;
  return context;
}

}  // namespace

void step(const PassContext& given, std::span<const DenoiseRequest> canvases, std::span<const EncodeRequest> texts,
          const CanvasRows& rows) {
  const Context context = without_callback_on_device(given.context);
  const PassContext pass = {context, given.config, given.weights, given.memory, given.exact_soft_embedding};
  Pass stack(pass, canvases, texts);
  const Staged<ops::HeadRow> head_rows = pass.memory.staging().put(rows.rows);
  pass.memory.staging().upload(pass.context);
  const auto run = [&] {
    stack.run(rows.soft_embedding);
    if (canvases.empty()) return;
    ops::head_stats(pass.context, {.x = stack.final_rows(),
                                   .head = pass.weights.output,
                                   .table = pass.weights.token_embd,
                                   .cap = pass.config.final_logit_softcapping,
                                   .embed_scale = embed_scale(pass.config),
                                   .rows = head_rows,
                                   .stats = rows.stats,
                                   .soft_embedding = rows.soft_embedding,
                                   .left_out_share = left_out_share(pass)});
  };
  // Texts have many lengths, so a step with texts would seldom be played back, and its recording would displace one
  // that is.
  if (stack.has_texts()) {
    const ops::TraceRange range(pass.context, canvases.empty() ? "encode" : "step");
    run();
  } else {
    const std::vector<int64_t> key = recording_key(canvases, rows);
    pass.memory.replay().run(pass.context, key, run);
  }
}

void denoise_logits(const PassContext& pass, std::span<const DenoiseRequest> requests, ConstMatrix soft_embedding,
                    Matrix logits) {
  const size_t together = pass.memory.rows_per_kind() / pass.config.canvas_length;
  for (size_t first = 0; first < requests.size(); first += together) {
    if (first > 0) ops::synchronize(pass.context);  // before the staging memory is written again
    const size_t count = std::min(together, requests.size() - first);
    Pass stack(pass, requests.subspan(first, count));
    pass.memory.staging().upload(pass.context);
    const int64_t first_row = first * pass.config.canvas_length, num_rows = stack.num_canvas_rows();
    stack.run(soft_embedding.row_range(first_row, num_rows));
    ops::lm_head(pass.context, {.x = stack.final_rows(),
                                .head = pass.weights.output,
                                .cap = pass.config.final_logit_softcapping,
                                .logits = logits.row_range(first_row, num_rows)});
  }
}

void observe_denoising(const PassContext& pass, const DenoiseRequest& request, ConstMatrix soft_embedding,
                       const Observer& observer) {
  Pass stack(pass, {&request, 1});
  pass.memory.staging().upload(pass.context);
  stack.run(soft_embedding, observer);
}

}  // namespace gesso::model
