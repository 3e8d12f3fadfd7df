#include "model/config.h"

#include <algorithm>
#include <limits>

#include "core/check.h"
#include "gesso/limits.h"

namespace gesso::model {
namespace {

constexpr const char* kArchitectures[] = {"diffusion-gemma", "diffusion-gemma4", "diffusiongemma"};

// Reads the keys of one architecture and checks ranges.
class Reader {
 public:
  Reader(const io::Metadata& metadata, std::string prefix) : metadata_(metadata), prefix_(std::move(prefix)) {}

  std::string key(const std::string& name) const { return prefix_ + name; }
  bool has(const std::string& name) const { return metadata_.has(key(name)); }
  const io::MetadataValue* find(const std::string& name) const { return metadata_.find(key(name)); }
  int64_t size(const std::string& name, int64_t max = kMaxSize) const {
    return in_range(name, metadata_.get_int(key(name)), 1, max);
  }
  int64_t size_or(const std::string& name, int64_t fallback, int64_t max = kMaxSize) const {
    return has(name) ? size(name, max) : fallback;
  }
  float positive(const std::string& name) const { return positive(name, metadata_.get_float(key(name))); }
  float positive_or(const std::string& name, double fallback) const {
    return positive(name, metadata_.get_float(key(name), fallback));
  }
  // Checks a key whose only supported value is `expected`. The key may be absent.
  void expect(const std::string& name, int64_t expected) const {
    const int64_t got = metadata_.get_int(key(name), expected);
    check_format(got == expected, key(name), ": only ", expected, " is supported, got ", got);
  }

  int64_t in_range(const std::string& name, int64_t value, int64_t min, int64_t max) const {
    check_format(value >= min && value <= max, key(name), ": expected ", min, " to ", max, ", got ", value);
    return value;
  }
  float positive(const std::string& name, double value) const {
    const bool fits = value >= std::numeric_limits<float>::min() && value <= std::numeric_limits<float>::max();
    check_format(fits, key(name), ": expected a positive number that float32 holds, got ", value);
    return static_cast<float>(value);
  }

  // Reads a value for each layer: an array of length L, or one value for all layers.
  std::vector<int64_t> per_layer(const std::string& name, int64_t num_layers) const {
    const auto* value = metadata_.find(key(name));
    if (value && std::holds_alternative<NumberArray>(*value)) {
      const NumberArray& list = *metadata_.find_ints(key(name));
      check_format(static_cast<int64_t>(list.size) == num_layers, key(name), ": expected ", num_layers,
                   " entries, got ", list.size);
      return list.to_vector<int64_t>();
    }
    return std::vector<int64_t>(num_layers, metadata_.get_int(key(name)));
  }

 private:
  const io::Metadata& metadata_;
  std::string prefix_;
};

// What people have beside a DiffusionGemma.
struct Other {
  std::string_view begin;
  std::string_view what;
};
constexpr Other kOtherTypes[] = {
    {"mmproj", "the vision part of a model (mmproj): give the file of the model itself"},
    {"adapter", "a LoRA adapter: merge it into its model, and give the merged model"},
    {"imatrix", "an importance matrix: `gesso quantize --imatrix` reads it"},
    {"controlvector", "a control vector, which gesso cannot apply"},
};
constexpr Other kOtherArchitectures[] = {
    {"clip", "the vision part of a model (mmproj): give the file of the model itself"},
    {"gemma", "a Gemma model that writes token by token; gesso runs DiffusionGemma only"},
    {"dream", "another diffusion model; gesso runs DiffusionGemma only"},
    {"llada", "another diffusion model; gesso runs DiffusionGemma only"},
    {"", "another model; gesso runs DiffusionGemma only"},
};

std::string read_architecture(const io::Metadata& metadata) {
  const std::string_view type = metadata.get_string("general.type", "model");
  for (const Other& other : kOtherTypes) {
    check_format(type != other.begin, "general.type: expected \"model\", got ", io::quoted(type), ": ", other.what);
  }
  const std::string name(metadata.get_string("general.architecture"));
  for (const char* known : kArchitectures) {
    if (name == known) return name;
  }
  const Other* other = kOtherArchitectures;
  while (!name.starts_with(other->begin)) ++other;
  throw FormatError(
      concat("general.architecture: expected diffusion-gemma, got ", io::quoted(name), ": ", other->what));
}

void read_layers(const Reader& reader, ModelConfig& config) {
  const int64_t num_layers = config.num_hidden_layers;
  const int64_t head_dim = reader.size("attention.key_length", kMaxHeadDim);
  const int64_t head_dim_sliding = reader.size_or("attention.key_length_swa", head_dim, kMaxHeadDim);
  const std::vector<int64_t> kv_heads = reader.per_layer("attention.head_count_kv", num_layers);
  // One number for all layers would be a period in llama.cpp's older files: "every sixth layer is a full one".
  const io::MetadataValue* pattern = reader.find("attention.sliding_window_pattern");
  check_format(!pattern || !std::holds_alternative<int64_t>(*pattern), reader.key("attention.sliding_window_pattern"),
               ": expected a value for each layer, got ", pattern ? io::described(*pattern) : "");
  const std::vector<int64_t> is_sliding = reader.per_layer("attention.sliding_window_pattern", num_layers);
  for (int64_t i = 0; i < num_layers; ++i) {
    LayerConfig layer{is_sliding[i] != 0, kv_heads[i], is_sliding[i] ? head_dim_sliding : head_dim};
    reader.in_range("attention.sliding_window_pattern", is_sliding[i], 0, 1);
    reader.in_range("attention.head_count_kv", kv_heads[i], 1, config.num_attention_heads);
    check_format(config.num_attention_heads % kv_heads[i] == 0, reader.key("attention.head_count_kv"), ": ",
                 kv_heads[i], " kv heads do not divide ", config.num_attention_heads, " heads");
    reader.in_range("attention.head_count", config.num_attention_heads, 1, kMaxWidth / layer.head_dim);
    check_format(layer.head_dim % 2 == 0, reader.key("attention.key_length"), ": expected an even number, got ",
                 layer.head_dim);
    config.layers.push_back(layer);
  }
  // The model derives these sizes from head_dim. Files state them too, and they have to agree.
  reader.expect("attention.value_length", head_dim);
  reader.expect("attention.value_length_swa", head_dim_sliding);
  reader.expect("rope.dimension_count", head_dim);
  reader.expect("rope.dimension_count_swa", head_dim_sliding);
}

// Reads `<arch>.vocab_size` if the file has it (a checkpoint without a tokenizer does). Otherwise it is the length of
// the token list, and without a list the number of rows of the embedding.
int64_t read_vocab_size(const io::GgufFile& file, const Reader& reader) {
  if (reader.has("vocab_size")) return reader.size("vocab_size", kMaxVocabulary);
  const auto* tokens = file.metadata.find_strings("tokenizer.ggml.tokens");
  if (tokens) return reader.in_range("vocab_size", static_cast<int64_t>(tokens->size()), 1, kMaxVocabulary);
  for (const io::NamedTensor& tensor : file.tensors) {
    if (tensor.name == "token_embd.weight" && tensor.tensor.shape.rank == 2) {
      return reader.in_range("vocab_size", tensor.tensor.shape[0], 1, kMaxVocabulary);
    }
  }
  throw FormatError("vocabulary size: neither " + reader.key("vocab_size") +
                    " nor tokenizer.ggml.tokens nor token_embd.weight is there");
}

std::vector<int32_t> read_placeholders(const io::Metadata& metadata) {
  std::vector<int32_t> ids;
  const auto* tokens = metadata.find_strings("tokenizer.ggml.tokens");
  for (size_t id = 0; tokens && id < tokens->size(); ++id) {
    const std::string_view token = (*tokens)[id];
    if (token == "<|image|>" || token == "<|audio|>" || token == "<|video|>") ids.push_back(static_cast<int32_t>(id));
  }
  const int32_t image = static_cast<int32_t>(metadata.get_int("gesso.image_token_id", -1));
  if (image >= 0 && std::find(ids.begin(), ids.end(), image) == ids.end()) ids.push_back(image);
  return ids;
}

int32_t read_token_id(const io::Metadata& metadata, const char* name, int32_t fallback) {
  const std::string key = concat("tokenizer.ggml.", name, "_token_id");
  const int64_t id = metadata.get_int(key, fallback);
  check_format(id >= 0 && id < kMaxSize, key, ": expected a token id, got ", id);
  return static_cast<int32_t>(id);
}

}  // namespace

ModelConfig read_config(const io::GgufFile& file) {
  const io::Metadata& metadata = file.metadata;
  const Reader reader(metadata, read_architecture(metadata) + ".");
  ModelConfig config;
  config.vocab_size = read_vocab_size(file, reader);
  config.hidden_size = reader.size("embedding_length", kMaxWidth);
  config.intermediate_size = reader.size("feed_forward_length", kMaxWidth);
  config.moe_intermediate_size = reader.size("expert_feed_forward_length", kMaxWidth);
  config.num_hidden_layers = reader.size("block_count", kMaxLayers);
  config.num_attention_heads = reader.size("attention.head_count", kMaxHeads);
  config.num_experts = reader.size("expert_count", kMaxExperts);
  config.top_k_experts = reader.size("expert_used_count", config.num_experts);
  config.sliding_window = reader.size("attention.sliding_window");
  config.max_position_embeddings = reader.size("context_length", kMaxContext);
  config.rms_norm_eps = reader.positive("attention.layer_norm_rms_epsilon");
  config.final_logit_softcapping = reader.positive("final_logit_softcapping");
  config.rope_theta_full = reader.positive("rope.freq_base");
  config.rope_theta_sliding = reader.positive_or("rope.freq_base_swa", config.rope_theta_sliding);
  read_layers(reader, config);
  const Reader root(metadata, "");
  const int64_t max_canvas = std::min(kMaxCanvasLength, config.max_position_embeddings);
  config.canvas_length = root.has("diffusion.canvas_length") || !reader.has("diffusion.block_size")
                             ? root.size("diffusion.canvas_length", max_canvas)
                             : reader.size("diffusion.block_size", max_canvas);
  config.pad_token_id = read_token_id(metadata, "padding", config.pad_token_id);
  config.bos_token_id = read_token_id(metadata, "bos", config.bos_token_id);
  config.eos_token_id = read_token_id(metadata, "eos", config.eos_token_id);
  config.placeholder_token_ids = read_placeholders(metadata);
  return config;
}

}  // namespace gesso::model
