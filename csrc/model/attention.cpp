#include "model/attention.h"

#include <algorithm>
#include <vector>

#include "ops/attention.h"
#include "ops/linear.h"
#include "ops/qk_norm_rope.h"
#include "ops/rms_norm.h"

namespace gesso::model {
namespace {

// Where a sequence's new keys and values go: its cache when encoding, the pass' own scratch when denoising.
ops::KeyValueRows key_value_rows(Mode mode, const BatchSequence& s, const LayerCache& cache,
                                 const Activations::Attention& scratch) {
  const bool encode = mode == Mode::kEncode;
  return {s.first_row, s.num_rows, s.first_position,
          encode ? cache.keys(s.first_position) : scratch.own_key_row(s.first_row),
          encode ? cache.values(s.first_position) : scratch.own_value_row(s.first_row)};
}

ops::AttentionSequence attention_sequence(Mode mode, const BatchSequence& s, const LayerCache& cache, int64_t window,
                                          const Activations::Attention& scratch) {
  ops::AttentionSequence out{s.first_row, s.num_rows, s.first_position};
  out.cached_begin = cache.begin();
  out.cached_end = cache.end();
  if (mode == Mode::kDenoise) {
    // One range for all rows of the canvas: the last window - 1 tokens before it, not a window per row.
    if (window > 0) out.cached_begin = std::max(out.cached_begin, s.first_position - (window - 1));
    out.own_keys = scratch.own_key_row(s.first_row);
    out.own_values = scratch.own_value_row(s.first_row);
  }
  out.cached_keys = cache.keys(out.cached_begin);
  out.cached_values = cache.values(out.cached_begin);
  return out;
}

int64_t window_of(const ModelConfig& config, int64_t layer) {
  return config.layers[layer].is_sliding ? config.sliding_window : 0;
}

}  // namespace

void stage_attention(const ModelConfig& config, const Weights& weights, Batch& batch, Activations& activations) {
  std::vector<ops::KeyValueRows> rows;
  std::vector<ops::AttentionSequence> sequences;
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const Activations::Attention scratch = activations.attention(batch.num_rows, weights.key_value_layouts[layer]);
    rows.clear();
    sequences.clear();
    for (const BatchSequence& s : batch.sequences) {
      const LayerCache& cache = s.cache->layer(layer);
      rows.push_back(key_value_rows(batch.mode, s, cache, scratch));
      sequences.push_back(attention_sequence(batch.mode, s, cache, window_of(config, layer), scratch));
    }
    Staging& staging = activations.staging();
    batch.layers.push_back({staging.put(rows), staging.put(sequences)});
  }
}

void attention_block(const Context& context, const ModelConfig& config, const Weights& weights, int64_t layer,
                     AttentionPart part, const Batch& batch, Activations& activations) {
  const LayerWeights& w = weights.layers[layer];
  const int64_t rows = batch.num_rows;
  const ops::KeyValueLayout& layout = weights.key_value_layouts[layer];
  const Matrix hidden = activations.hidden(rows), normed = activations.normed(rows);
  Activations::Attention scratch = activations.attention(rows, layout);
  const bool all = part == AttentionPart::kAll;

  ops::rms_norm(context, hidden, w.attn_norm, config.rms_norm_eps, 1.0f, normed);
  if (all) ops::linear(context, normed, w.attn_q, scratch.q);
  ops::linear(context, normed, w.attn_k, scratch.k);
  if (w.attn_v) ops::linear(context, normed, w.attn_v, scratch.v);
  ops::qk_norm_rope(context, all ? scratch.q : Matrix(), scratch.k, w.attn_v ? scratch.v : scratch.k, w.attn_q_norm,
                    w.attn_k_norm, config.rms_norm_eps, weights.inv_freq(config.layers[layer].is_sliding), layout,
                    batch.layers[layer].key_value_rows);
  if (!all) return;
  const auto mode = batch.mode == Mode::kEncode ? ops::AttentionMode::kCausal : ops::AttentionMode::kCanvas;
  ops::attention(context, scratch.q, layout, mode, window_of(config, layer), batch.layers[layer].attention_sequences,
                 scratch.out);
  const Matrix projected = activations.projected(rows);
  ops::linear(context, scratch.out, w.attn_output, projected);
  ops::rms_norm_add(context, projected, w.post_attention_norm, config.rms_norm_eps, 1.0f, hidden);
}

}  // namespace gesso::model
