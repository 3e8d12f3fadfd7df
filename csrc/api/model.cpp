#include "gesso/model.h"

#include "api/model_impl.h"
#include "api/thread_count.h"
#include "core/check.h"
#include "io/gguf.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "text/tokenizer.h"

namespace gesso {
ModelConfig read_config(const Checkpoint& checkpoint) { return model::read_config(checkpoint.file()); }

int64_t scratch_bytes(const ModelConfig& config) {
  return model::Activations::num_bytes(config, rows_per_pass(config));
}

int64_t cache_bytes(const ModelConfig& config, int64_t length) {
  return model::KvCache::max_bytes(config, length, rows_per_pass(config));
}

Model Model::load(const std::string& path, const LoadOptions& options) {
  return Model(Checkpoint::open(path), options);
}

Model::Model(const Checkpoint& checkpoint, const LoadOptions& options) {
  check(options.device == "auto" || options.device == "cpu", "device: expected \"auto\" or \"cpu\", got \"",
        options.device, "\"");
  auto impl = std::make_shared<Impl>();
  const io::GgufFile& file = checkpoint.file();
  impl->num_threads = resolve_threads(options.num_threads);
  impl->config = model::read_config(file);
  impl->weights = model::load_weights(file, impl->config);
  impl->tensors = file.tensors;
  impl->tokenizer = text::load_tokenizer(file.metadata, file.owner);
  if (impl->tokenizer) {
    check_format(impl->tokenizer->vocab_size() == impl->config.vocab_size, "tokenizer.ggml.tokens: expected ",
                 impl->config.vocab_size, " tokens, as the model has, got ", impl->tokenizer->vocab_size());
  }
  impl_ = std::move(impl);
}

const ModelConfig& Model::config() const { return impl_->config; }
const std::optional<Tokenizer>& Model::tokenizer() const { return impl_->tokenizer; }
int64_t Model::weight_bytes() const { return impl_->weights.num_bytes; }
int Model::num_threads() const { return impl_->num_threads; }

GenerationResult Model::generate(const std::vector<std::vector<int32_t>>& prompts,
                                 const GenerationOptions& options) const {
  check(!prompts.empty(), "prompts: expected at least one");
  Session session(*this, static_cast<int64_t>(prompts.size()));
  return session.generate(prompts, options);
}

}  // namespace gesso
