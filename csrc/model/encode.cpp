#include "model/encode.h"

#include <algorithm>

#include "model/layer.h"
#include "model/self_conditioning.h"
#include "ops/embed.h"

namespace gesso::model {
namespace {

void encode_pass(const PassContext& pass, Batch& batch, const std::vector<int32_t>& ids, const Observer& observer) {
  const Matrix hidden = pass.memory.hidden(batch.num_rows);
  pass.memory.staging().clear();
  const Staged<int32_t> staged_ids = pass.memory.staging().put(ids);
  stage_attention(pass, batch);
  pass.memory.staging().upload(pass.context);
  ops::embed(pass.context,
             {.table = pass.weights.token_embd, .ids = staged_ids, .scale = embed_scale(pass.config), .out = hidden});
  if (observer) observer(kEmbedding, hidden);
  for (int64_t layer = 0; layer < pass.config.num_hidden_layers; ++layer) {
    const bool last = layer + 1 == pass.config.num_hidden_layers;
    transformer_layer(pass, layer, last ? AttentionPart::kKeysAndValues : AttentionPart::kAll, batch);
    if (observer && !last) observer(layer, hidden);
  }
  // This waits before the staging memory is written again. It also makes a failure appear in the pass that it belongs
  // to.
  ops::synchronize(pass.context);
}

// Rewinds the caches to the lengths that they had at first, unless release() is called.
class Rollback {
 public:
  explicit Rollback(std::span<const EncodeRequest> requests) : requests_(requests) {
    for (const EncodeRequest& request : requests) lengths_.push_back(request.cache->length());
  }
  ~Rollback() {
    for (size_t i = 0; i < lengths_.size() && !done_; ++i) requests_[i].cache->rewind(lengths_[i]);
  }
  void release() { done_ = true; }

 private:
  std::span<const EncodeRequest> requests_;
  std::vector<int64_t> lengths_;
  bool done_ = false;
};

}  // namespace

void encode(const PassContext& pass, std::span<const EncodeRequest> requests, const Observer& observer) {
  Rollback rollback(requests);
  Batch batch;
  std::vector<int32_t> ids;
  const auto flush = [&] {
    if (batch.num_rows > 0) encode_pass(pass, batch, ids, observer);
    batch = Batch();
    ids.clear();
  };
  for (const EncodeRequest& request : requests) {
    request.cache->reserve(pass.context, request.cache->length() + static_cast<int64_t>(request.ids.size()));
    for (size_t done = 0; done < request.ids.size();) {
      if (batch.num_rows == pass.memory.max_rows()) flush();
      const int64_t count = std::min<int64_t>(request.ids.size() - done, pass.memory.max_rows() - batch.num_rows);
      batch.sequences.push_back({request.cache, batch.num_rows, count, request.cache->length()});
      request.cache->append(pass.context, count);
      ids.insert(ids.end(), request.ids.begin() + done, request.ids.begin() + done + count);
      batch.num_rows += count;
      done += count;
    }
  }
  flush();
  rollback.release();
}

}  // namespace gesso::model
