#include "model/pass.h"

#include "model/layer.h"
#include "model/self_conditioning.h"
#include "ops/embed.h"

namespace gesso::model {

Pass::Pass(const PassContext& pass, std::span<const DenoiseRequest> canvases, std::span<const EncodeRequest> texts)
    : pass_(pass), canvases_(canvases) {
  std::vector<int32_t> ids;
  for (const DenoiseRequest& request : canvases) {
    ids.insert(ids.end(), request.canvas.begin(), request.canvas.end());
  }
  batch_.num_canvas_rows = batch_.num_rows = std::ssize(ids);
  for (const DenoiseRequest& request : canvases) add_text({request.cache, request.text}, ids);
  for (const EncodeRequest& text : texts) add_text(text, ids);
  // A canvas stands behind its text, so the caches must have their new lengths.
  const int64_t canvas_length = pass.config.canvas_length;
  for (const DenoiseRequest& request : canvases) {
    const int64_t first_row = std::ssize(batch_.canvases) * canvas_length;
    batch_.canvases.push_back({request.cache, first_row, canvas_length, request.cache->length()});
  }
  pass.memory.staging().clear();
  ids_ = pass.memory.staging().put(ids);
  stage_attention(pass, batch_);
}

void Pass::add_text(const EncodeRequest& text, std::vector<int32_t>& ids) {
  if (text.ids.empty()) return;
  const int64_t count = std::ssize(text.ids);
  batch_.texts.push_back({text.cache, batch_.num_rows, count, text.cache->length()});
  text.cache->append(pass_.context, count);
  ids.insert(ids.end(), text.ids.begin(), text.ids.end());
  batch_.num_rows += count;
}

void Pass::run(ConstMatrix soft_embedding, const Observer& observer) {
  const int64_t num_layers = pass_.config.num_hidden_layers;
  embed_canvases(soft_embedding);
  embed_texts();
  if (observer) observer(kEmbedding, pass_.memory.hidden(batch_.num_rows));
  begin_layers(pass_, batch_);
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    transformer_layer(pass_, layer, batch_);
    const int64_t rows = layer + 1 < num_layers ? batch_.num_rows : num_canvas_rows();
    if (observer && rows > 0) observer(layer, pass_.memory.hidden(rows));
  }
  if (num_canvas_rows() == 0) return;
  pass_.context.poll();
  if (observer) observer(kFinalNorm, final_rows());
}

// Neighbouring canvases that have self-conditioning are embedded together, and so are neighbouring ones that have not.
void Pass::embed_canvases(ConstMatrix soft_embedding) {
  const int64_t canvas_length = pass_.config.canvas_length;
  for (size_t first = 0, last = 0; first < canvases_.size(); first = last) {
    const bool conditioned = canvases_[first].has_self_conditioning;
    while (last < canvases_.size() && canvases_[last].has_self_conditioning == conditioned) ++last;
    const int64_t row = first * canvas_length, count = (last - first) * canvas_length;
    pass_.context.poll();
    self_conditioned_embedding(pass_, ids_.subspan(row, count),
                               conditioned ? soft_embedding.row_range(row, count) : ConstMatrix(),
                               pass_.memory.hidden(batch_.num_rows).row_range(row, count));
  }
}

void Pass::embed_texts() {
  const int64_t row = batch_.num_canvas_rows, count = batch_.num_text_rows();
  if (count == 0) return;
  ops::embed(pass_.context, {.table = pass_.weights.token_embd,
                             .ids = ids_.subspan(row, count),
                             .scale = embed_scale(pass_.config),
                             .out = pass_.memory.hidden(batch_.num_rows).row_range(row, count)});
}

}  // namespace gesso::model
