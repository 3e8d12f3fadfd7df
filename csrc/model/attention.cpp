#include "model/attention.h"

#include <algorithm>
#include <vector>

#include "model/sliding_window.h"
#include "ops/attention.h"
#include "ops/linear.h"
#include "ops/linears.h"
#include "ops/qk_norm_rope.h"

namespace gesso::model {
namespace {

// The memory for a segment's new keys and values.
ops::KeyValueRows in_cache(const Segment& s, const LayerCache& cache) {
  return {s.first_row, s.num_rows, s.first_position, cache.keys(s.first_position), cache.values(s.first_position)};
}

ops::KeyValueRows in_scratch(const Segment& s, const PassScratch::Attention& scratch) {
  return {s.first_row, s.num_rows, s.first_position, scratch.own_key_row(s.first_row),
          scratch.own_value_row(s.first_row)};
}

ops::AttentionSequence cached_keys(const Segment& s, const LayerCache& cache, int64_t begin) {
  return {s.first_row, s.num_rows, s.first_position, cache.keys(begin), cache.values(begin), begin, cache.end()};
}

// Which keys the rows of a text see. first_text_row is the first row of all texts.
ops::AttentionSequence text_sequence(const Segment& s, const LayerCache& cache, int64_t first_text_row) {
  ops::AttentionSequence out = cached_keys(s, cache, cache.begin());
  out.first_row -= first_text_row;
  return out;
}

ops::AttentionSequence canvas_sequence(const Segment& s, const LayerCache& cache, int64_t window,
                                       const PassScratch::Attention& scratch) {
  ops::AttentionSequence out = cached_keys(s, cache, std::max(cache.begin(), first_seen(window, s.first_position)));
  out.own_keys = scratch.own_key_row(s.first_row);
  out.own_values = scratch.own_value_row(s.first_row);
  return out;
}

}  // namespace

void stage_attention(const PassContext& pass, Batch& batch) {
  std::vector<ops::KeyValueRows> rows;
  std::vector<ops::AttentionSequence> canvases, texts;
  for (int64_t layer = 0; layer < pass.config.num_hidden_layers; ++layer) {
    const PassScratch::Attention scratch = pass.memory.attention(batch.num_rows, pass.weights.key_value_layouts[layer]);
    rows.clear();
    canvases.clear();
    texts.clear();
    for (const Segment& s : batch.canvases) {
      rows.push_back(in_scratch(s, scratch));
      canvases.push_back(canvas_sequence(s, s.cache->layer(layer), window_of(pass.config, layer), scratch));
    }
    for (const Segment& s : batch.texts) {
      rows.push_back(in_cache(s, s.cache->layer(layer)));
      texts.push_back(text_sequence(s, s.cache->layer(layer), batch.num_canvas_rows));
    }
    Staging& staging = pass.memory.staging();
    batch.layers.push_back({staging.put(rows), staging.put(canvases), staging.put(texts)});
  }
}

void attention_block(const PassContext& pass, int64_t layer, const Batch& batch, const ops::Activations& normed,
                     Matrix out) {
  const Context& context = pass.context;
  const LayerWeights& w = pass.weights.layers[layer];
  const ops::KeyValueLayout& layout = pass.weights.key_value_layouts[layer];
  const PassScratch::Attention scratch = pass.memory.attention(batch.num_rows, layout);
  const BatchLayer& staged = batch.layers[layer];
  const bool has_queries = out.rows > 0;

  const Matrix q = has_queries ? scratch.q : scratch.q.row_range(0, 0);
  const ops::LinearProduct projections[] = {{w.attn_q, q}, {w.attn_k, scratch.k}, {w.attn_v, scratch.v}};
  ops::linears(context, {.x = normed, .products = projections});
  ops::qk_norm_rope(context, {.q = has_queries ? scratch.q : Matrix(),
                              .k = scratch.k,
                              .v = w.attn_v ? scratch.v : scratch.k,
                              .q_norm = w.attn_q_norm,
                              .k_norm = w.attn_k_norm,
                              .eps = pass.config.rms_norm_eps,
                              .inv_freq = pass.weights.inv_freq(pass.config.layers[layer].is_sliding),
                              .layout = layout,
                              .sequences = staged.key_value_rows});
  if (!has_queries) return;
  // Rows of both kinds come from two calls, and rounded rows are there only as a whole.
  const bool has_one_kind = batch.num_canvas_rows == 0 || batch.num_canvas_rows == out.rows;
  const ops::Rounding rounding = has_one_kind ? ops::Rounding(kOutputSlot, {&w.attn_output}) : ops::Rounding();
  const auto attend = [&](ops::AttentionMode mode, Staged<ops::AttentionSequence> sequences, int64_t first_row,
                          int64_t num_rows) {
    if (num_rows == 0) return;
    ops::attention(context, {.q = scratch.q.row_range(first_row, num_rows),
                             .layout = layout,
                             .mode = mode,
                             .window = window_of(pass.config, layer),
                             .sequences = sequences,
                             .out = scratch.out.row_range(first_row, num_rows),
                             .rounding = rounding});
  };
  attend(ops::AttentionMode::kCanvas, staged.canvases, 0, batch.num_canvas_rows);
  attend(ops::AttentionMode::kCausal, staged.texts, batch.num_canvas_rows, out.rows - batch.num_canvas_rows);
  ops::linear(context, {.x = {scratch.out.row_range(0, out.rows), rounding}, .weight = w.attn_output, .out = out});
}

}  // namespace gesso::model
