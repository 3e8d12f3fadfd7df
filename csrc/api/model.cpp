#include "gesso/model.h"

#include <array>
#include <map>

#include "api/device_choice.h"
#include "api/metadata_keys.h"
#include "api/model_impl.h"
#include "core/check.h"
#include "core/log.h"
#include "core/threads/thread_count.h"
#include "diffusion/defaults.h"
#include "gesso/bench.h"
#include "io/gguf.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/pass_scratch.h"
#include "model/place_weights.h"
#include "text/tokenizer.h"

namespace gesso {

ModelConfig read_config(const Checkpoint& checkpoint) {
  const auto kept = checkpoint.keep_unchanged("read_config");
  ModelConfig config = model::read_config(checkpoint.file());
  check_keys(checkpoint.file().metadata);
  config.generation = diffusion::read_defaults(checkpoint.file().metadata, config);
  return config;
}

namespace {

// The layouts of keys and values on the CPU.
std::vector<ops::KeyValueLayout> cpu_layouts(const ModelConfig& config) {
  std::vector<ops::KeyValueLayout> layouts;
  for (const LayerConfig& layer : config.layers) {
    layouts.push_back(ops::key_value_layout({}, {.num_key_value_heads = layer.num_key_value_heads,
                                                 .head_dim = layer.head_dim,
                                                 .num_rotated = layer.head_dim / 2}));
  }
  return layouts;
}

model::PassLimits cpu_limits(const ModelConfig& config) { return model::pass_limits(config, 1, false); }

// The ranges are in the order of the tensors in the file or its parts, which is the order in which a pass reads them.
std::vector<std::span<const std::byte>> bytes_of(const std::vector<io::NamedTensor>& tensors) {
  std::vector<std::span<const std::byte>> ranges;
  for (const io::NamedTensor& named : tensors) {
    ranges.push_back({named.tensor.data, static_cast<size_t>(named.tensor.num_bytes())});
  }
  return ranges;
}

// The types of the tensors, and how many have each: "F32 447, Q4_K 210".
std::string types_text(const std::vector<io::NamedTensor>& tensors) {
  std::map<std::string, int64_t> counts;
  for (const io::NamedTensor& named : tensors) ++counts[dtype_name(named.tensor.dtype)];
  std::string text;
  for (const auto& [name, count] : counts) text += concat(text.empty() ? "" : ", ", name, " ", count);
  return text;
}

// On which kernels and threads a model on the CPU runs.
std::string on_cpu_text(const Model& model) {
  if (model.device() != "cpu") return "";
  const std::string kernels = model.activations() == "int8" ? concat(" (", int8_kernels_name(), ")") : "";
  return concat(kernels, ", ", count_text(model.num_threads(), "thread"));
}

void log_loaded(const Model& model, const std::vector<io::NamedTensor>& tensors, const LogTimer& timer) {
  const ModelConfig& c = model.config();
  log_message(LogLevel::kInfo, [&] {
    return concat("loaded a model in ", timer.text(), ": ", count_text(std::ssize(c.layers), "layer"), " of ",
                  count_text(c.hidden_size, "column"), ", ", c.num_experts, " experts of which ", c.top_k_experts,
                  " compute a token, canvases of ", count_text(c.canvas_length, "token"), ", a context of ",
                  c.max_position_embeddings, "; weights of ", size_text(model.weight_bytes()), " (",
                  types_text(tensors), "); on ", model.device(), " with ", model.activations(), " activations",
                  on_cpu_text(model));
  });
  log_message(LogLevel::kInfo, [&]() -> std::string {
    const std::optional<Tokenizer>& tokenizer = model.tokenizer();
    if (!tokenizer) return "the model has no tokenizer: it reads and writes token ids alone";
    if (tokenizer->chat_template().empty() || tokenizer->knows_chat()) return "";
    return "the model's chat template is none of the published ones: C and C++ programs must run it themselves";
  });
}

}  // namespace

int64_t scratch_bytes(const ModelConfig& config) {
  return model::PassScratch::num_bytes(config, cpu_layouts(config), cpu_limits(config));
}

int64_t cache_bytes(const ModelConfig& config, int64_t length) {
  return model::KvCache::max_bytes(config, cpu_layouts(config), length, cpu_limits(config).rows_per_kind);
}

Model Model::load(const std::string& path, const LoadOptions& options) {
  return Model(Checkpoint::open(path, {options.mmap, options.interrupted, options.read_progress}), options);
}

Model::Model(const Checkpoint& checkpoint, const LoadOptions& options) {
  const auto kept = checkpoint.keep_unchanged("Model");
  auto impl = std::make_shared<Impl>();
  const LogTimer timer;
  impl->device = choose_device(options.device);
  if (options.device == "auto" && !impl->device) {
    log_message(LogLevel::kWarning, [] {
      const std::string problem = gpu_problem();
      return problem.empty() ? "" : "the model runs on the CPU: " + problem;
    });
  }
  impl->activations = choose_activations(options.activations, impl->device);
  impl->exact_soft_embedding = options.exact_soft_embedding;
  const io::GgufFile& file = checkpoint.file();
  impl->num_threads = resolve_threads(options.num_threads);
  impl->config = read_config(checkpoint);
  impl->weights = model::load_weights(file, impl->config);
  impl->tensors = file.tensors;
  impl->tokenizer = text::load_tokenizer(file.metadata, file.owner, options.interrupted);
  if (impl->tokenizer) {
    check_format(impl->tokenizer->vocab_size() == impl->config.vocab_size, "tokenizer.ggml.tokens: expected ",
                 impl->config.vocab_size, " tokens, as the model has, got ", impl->tokenizer->vocab_size());
  }
  const ops::QueuePointer queue = impl->make_queue();
  const Context context = impl->context(options.interrupted, queue);
  ops::Device device = impl->device.value_or(ops::Device());
  device.reads_host_memory = device.reads_host_memory && !options.copy_weights;
  model::place_weights(context, impl->config, device, impl->weights, options.progress);
  if (!impl->device || device.reads_host_memory) impl->read_ahead.emplace(bytes_of(file.tensors));
  impl_ = std::move(impl);
  log_loaded(*this, impl_->tensors, timer);
}

const ModelConfig& Model::config() const { return impl_->config; }
const std::optional<Tokenizer>& Model::tokenizer() const { return impl_->tokenizer; }
int64_t Model::weight_bytes() const { return impl_->weights.num_bytes; }
int Model::num_threads() const { return impl_->num_threads; }

const std::string& Model::device() const {
  // Never destroyed, since another thread may still ask while the process ends.
  static const std::string& cpu = *new std::string("cpu");
  return impl_->device ? impl_->device->name : cpu;
}

const std::string& Model::activations() const {
  // In the order of ActivationType. Never destroyed, as in device().
  static const auto& names = *new std::array<std::string, 3>{"f32", "bf16", "int8"};
  return names[static_cast<size_t>(impl_->activations)];
}

GenerationResult Model::generate(const std::vector<std::vector<int32_t>>& prompts,
                                 const GenerationOptions& options) const {
  check(!prompts.empty(), "prompts: expected at least one");
  Session session(*this, static_cast<int64_t>(prompts.size()));
  return session.generate(prompts, options);
}

}  // namespace gesso
