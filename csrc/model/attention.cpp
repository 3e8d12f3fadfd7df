#include "model/attention.h"

#include <algorithm>
#include <vector>

#include "model/sliding_window.h"
#include "ops/attention.h"
#include "ops/linear.h"
#include "ops/qk_norm_rope.h"

namespace gesso::model {
namespace {

// The memory for a sequence's new keys and values: in its cache when encoding, in the pass scratch when denoising.
ops::KeyValueRows key_value_rows(Mode mode, const BatchSequence& s, const LayerCache& cache,
                                 const PassScratch::Attention& scratch) {
  const bool encode = mode == Mode::kEncode;
  return {s.first_row, s.num_rows, s.first_position,
          encode ? cache.keys(s.first_position) : scratch.own_key_row(s.first_row),
          encode ? cache.values(s.first_position) : scratch.own_value_row(s.first_row)};
}

ops::AttentionSequence attention_sequence(Mode mode, const BatchSequence& s, const LayerCache& cache, int64_t window,
                                          const PassScratch::Attention& scratch) {
  ops::AttentionSequence out{s.first_row, s.num_rows, s.first_position};
  out.cached_begin = cache.begin();
  out.cached_end = cache.end();
  if (mode == Mode::kDenoise) {
    out.cached_begin = std::max(out.cached_begin, first_seen(window, s.first_position));
    out.own_keys = scratch.own_key_row(s.first_row);
    out.own_values = scratch.own_value_row(s.first_row);
  }
  out.cached_keys = cache.keys(out.cached_begin);
  out.cached_values = cache.values(out.cached_begin);
  return out;
}

}  // namespace

void stage_attention(const PassContext& pass, Batch& batch) {
  std::vector<ops::KeyValueRows> rows;
  std::vector<ops::AttentionSequence> sequences;
  for (int64_t layer = 0; layer < pass.config.num_hidden_layers; ++layer) {
    const PassScratch::Attention scratch = pass.memory.attention(batch.num_rows, pass.weights.key_value_layouts[layer]);
    rows.clear();
    sequences.clear();
    for (const BatchSequence& s : batch.sequences) {
      const LayerCache& cache = s.cache->layer(layer);
      rows.push_back(key_value_rows(batch.mode, s, cache, scratch));
      sequences.push_back(attention_sequence(batch.mode, s, cache, window_of(pass.config, layer), scratch));
    }
    Staging& staging = pass.memory.staging();
    batch.layers.push_back({staging.put(rows), staging.put(sequences)});
  }
}

void attention_block(const PassContext& pass, int64_t layer, AttentionPart part, const Batch& batch, ConstMatrix normed,
                     Matrix out) {
  const Context& context = pass.context;
  const LayerWeights& w = pass.weights.layers[layer];
  const ops::KeyValueLayout& layout = pass.weights.key_value_layouts[layer];
  const PassScratch::Attention scratch = pass.memory.attention(batch.num_rows, layout);
  const bool all = part == AttentionPart::kAll;

  if (all) ops::linear(context, {.x = normed, .weight = w.attn_q, .out = scratch.q});
  ops::linear(context, {.x = normed, .weight = w.attn_k, .out = scratch.k});
  if (w.attn_v) ops::linear(context, {.x = normed, .weight = w.attn_v, .out = scratch.v});
  ops::qk_norm_rope(context, {.q = all ? scratch.q : Matrix(),
                              .k = scratch.k,
                              .v = w.attn_v ? scratch.v : scratch.k,
                              .q_norm = w.attn_q_norm,
                              .k_norm = w.attn_k_norm,
                              .eps = pass.config.rms_norm_eps,
                              .inv_freq = pass.weights.inv_freq(pass.config.layers[layer].is_sliding),
                              .layout = layout,
                              .sequences = batch.layers[layer].key_value_rows});
  if (!all) return;
  ops::attention(context,
                 {.q = scratch.q,
                  .layout = layout,
                  .mode = batch.mode == Mode::kEncode ? ops::AttentionMode::kCausal : ops::AttentionMode::kCanvas,
                  .window = window_of(pass.config, layer),
                  .sequences = batch.layers[layer].attention_sequences,
                  .out = scratch.out});
  ops::linear(context, {.x = scratch.out, .weight = w.attn_output, .out = out});
}

}  // namespace gesso::model
