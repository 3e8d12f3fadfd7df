#include "model/attention.h"

#include <algorithm>

#include "ops/attention.h"
#include "ops/linear.h"
#include "ops/qk_norm_rope.h"
#include "ops/rms_norm.h"

namespace gesso::model {
namespace {

// Where each sequence's new keys and values go: its cache when encoding, the pass' own scratch when denoising.
std::vector<ops::KeyValueRows> key_value_rows(const Batch& batch, int64_t layer,
                                              const Activations::Attention& scratch) {
  std::vector<ops::KeyValueRows> rows;
  for (const BatchSequence& s : batch.sequences) {
    LayerCache& cache = s.cache->layer(layer);
    const bool encode = batch.mode == Mode::kEncode;
    rows.push_back({s.first_row, s.num_rows, s.first_position,
                    encode ? cache.keys(s.first_position) : scratch.own_keys.row(s.first_row),
                    encode ? cache.values(s.first_position) : scratch.own_values.row(s.first_row)});
  }
  return rows;
}

std::vector<ops::AttentionSequence> attention_sequences(const Batch& batch, int64_t layer, int64_t window,
                                                        const Activations::Attention& scratch) {
  std::vector<ops::AttentionSequence> sequences;
  for (const BatchSequence& s : batch.sequences) {
    const LayerCache& cache = s.cache->layer(layer);
    ops::AttentionSequence out{s.first_row, s.num_rows, s.first_position};
    out.cached_begin = cache.begin();
    out.cached_end = cache.end();
    if (batch.mode == Mode::kDenoise) {
      // One range for all rows of the canvas: the last window - 1 tokens before it, not a window per row.
      if (window > 0) out.cached_begin = std::max(out.cached_begin, s.first_position - (window - 1));
      out.own_keys = scratch.own_keys.row(s.first_row);
      out.own_values = scratch.own_values.row(s.first_row);
    }
    out.cached_keys = cache.keys(out.cached_begin);
    out.cached_values = cache.values(out.cached_begin);
    sequences.push_back(out);
  }
  return sequences;
}

}  // namespace

void attention_block(const Context& context, const ModelConfig& config, const Weights& weights, int64_t layer,
                     AttentionPart part, const Batch& batch, Activations& activations) {
  const LayerConfig& layer_config = config.layers[layer];
  const LayerWeights& w = weights.layers[layer];
  const int64_t rows = batch.num_rows;
  const int64_t window = layer_config.is_sliding ? config.sliding_window : 0;
  const Matrix hidden = activations.hidden(rows), normed = activations.normed(rows);
  Activations::Attention scratch = activations.attention(rows, layer_config);
  const bool all = part == AttentionPart::kAll;

  ops::rms_norm(context, hidden, w.attn_norm, config.rms_norm_eps, 1.0f, normed);
  if (all) ops::linear(context, normed, w.attn_q, scratch.q);
  ops::linear(context, normed, w.attn_k, scratch.k);
  if (w.attn_v) ops::linear(context, normed, w.attn_v, scratch.v);
  ops::qk_norm_rope(context, all ? scratch.q : Matrix(), scratch.k, w.attn_v ? scratch.v : scratch.k, w.attn_q_norm,
                    w.attn_k_norm, config.rms_norm_eps,
                    layer_config.is_sliding ? weights.inv_freq_sliding : weights.inv_freq_full,
                    key_value_rows(batch, layer, scratch));
  if (!all) return;
  const auto mode = batch.mode == Mode::kEncode ? ops::AttentionMode::kCausal : ops::AttentionMode::kCanvas;
  ops::attention(context, scratch.q, layer_config.num_key_value_heads, layer_config.head_dim, mode, window,
                 attention_sequences(batch, layer, window, scratch), scratch.out);
  const Matrix projected = activations.projected(rows);
  ops::linear(context, scratch.out, w.attn_output, projected);
  ops::rms_norm_add(context, projected, w.post_attention_norm, config.rms_norm_eps, 1.0f, hidden);
}

}  // namespace gesso::model
