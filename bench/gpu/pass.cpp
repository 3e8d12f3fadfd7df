#include "pass.h"

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "model/attention.h"
#include "ops/memory.h"

namespace gesso::bench {
namespace {

model::PassLimits limits(const ModelConfig& config, int64_t num_canvases) {
  const int64_t rows = num_canvases * config.canvas_length;
  return {.rows_per_kind = rows, .max_rows = rows, .max_sequences = num_canvases, .expert_rows = rows};
}

void fill_gaussian(RandomModel& model, Matrix matrix) {
  model.random.fill(DType::kF32, 1.0f, reinterpret_cast<std::byte*>(matrix.data),
                    matrix.rows * matrix.columns * static_cast<int64_t>(sizeof(float)));
}

// A cache with `length` positions as encoding would leave it. The size of the keys makes scores about 1.
model::KvCache random_cache(RandomModel& model, int64_t length) {
  const std::vector<ops::KeyValueLayout>& layouts = model.weights.key_value_layouts;
  model::KvCache cache(model.config, layouts);
  const int64_t chunk = model.config.canvas_length;
  for (int64_t first = 0; first < length; first += chunk) {
    cache.append(model.context, std::min(chunk, length - first));
  }
  for (int64_t i = 0; i < model.config.num_hidden_layers; ++i) {
    model::LayerCache& layer = cache.layer(i);
    const int64_t rows = layer.end() - layer.begin();
    const float key_spread = std::pow(static_cast<float>(layouts[i].head_dim), -0.25f);
    model.random.fill(DType::kBF16, key_spread, layer.keys(layer.begin()), rows * layouts[i].key_row_bytes);
    model.random.fill(DType::kBF16, 1.0f, layer.values(layer.begin()), rows * layouts[i].value_row_bytes);
  }
  return cache;
}

}  // namespace

Pass::Pass(RandomModel& model, int64_t num_canvases, int64_t num_cached)
    : model(model),
      num_cached(num_cached),
      memory(model.context, model.config, model.weights.key_value_layouts, limits(model.config, num_canvases)),
      step_memory(model.context, model.config, num_canvases) {
  const int64_t length = model.config.canvas_length;
  batch.num_canvas_rows = batch.num_rows = num_canvases * length;
  for (int64_t i = 0; i < num_canvases; ++i) {
    caches.push_back(random_cache(model, num_cached));
    batch.canvases.push_back({&caches.back(), i * length, length, num_cached});
  }
  for (int64_t row = 0; row < num_rows(); ++row) {
    const DrawKey key{static_cast<uint64_t>(row / length), num_cached + row % length, 0};
    canvas.push_back(uniform_id(key, Draw::kInitialCanvas, model.config.vocab_size));
    host_head_rows.push_back({key, 0.8f});
  }
  ids = memory.staging().put(canvas);
  model::stage_attention(context(), batch);
  head_rows = memory.staging().put(host_head_rows);
  memory.staging().upload(model.context);

  for (const Matrix& matrix : {memory.hidden(num_rows()), memory.normed(num_rows()), memory.projected(num_rows()),
                               memory.feed_forward_sum(num_rows()), memory.gate_up(num_rows()),
                               memory.experts(num_rows()).scores, canvas_rows().soft_embedding}) {
    fill_gaussian(model, matrix);
  }
  ops::synchronize(model.context);
}

std::vector<model::DenoiseRequest> Pass::requests() {
  std::vector<model::DenoiseRequest> requests;
  const int64_t length = model.config.canvas_length;
  for (size_t i = 0; i < caches.size(); ++i) {
    requests.push_back({&caches[i], std::span(canvas).subspan(i * length, length), true});
  }
  return requests;
}

}  // namespace gesso::bench
