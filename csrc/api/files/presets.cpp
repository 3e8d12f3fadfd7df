// The source of the rules is llama.cpp's src/llama-quant.cpp of August 2026. It has no rule for NVFP4, so that preset
// is gesso's own: matrices get NVFP4 where their rows fit it, and the embedding gets the type that other presets give
// it.
#include "gesso/presets.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "core/check.h"
#include "core/dtype.h"

namespace gesso {
namespace {

using Type = std::string_view;

struct Entry {
  std::string_view name;
  uint32_t file_type;
  Type base;
};
constexpr Entry kPresets[] = {
    {"F32", 0, "F32"},        {"F16", 1, "F16"},      {"BF16", 32, "BF16"},   {"Q8_0", 7, "Q8_0"},
    {"Q6_K", 18, "Q6_K"},     {"Q5_K_M", 17, "Q5_K"}, {"Q4_K_M", 15, "Q4_K"}, {"Q4_0", 2, "Q4_0"},
    {"IQ4_XS", 30, "IQ4_XS"}, {"NVFP4", 39, "NVFP4"},
};

// A matrix whose rows are not a whole number of blocks gets the substitute. If its rows do not fit the substitute's
// blocks either, it gets F16. For example a row of 704 elements does not fit Q4_K's blocks of 256, but Q5_0's of 32.
constexpr std::pair<Type, Type> kSubstitutes[] = {
    {"Q4_K", "Q5_0"}, {"Q5_K", "Q5_1"}, {"Q6_K", "Q8_0"}, {"IQ4_XS", "IQ4_NL"}, {"NVFP4", "Q4_0"}};

bool is_float(Type type) { return type == "F32" || type == "F16" || type == "BF16"; }

const Entry& find_preset(const std::string& name) {
  const auto* found =
      std::find_if(std::begin(kPresets), std::end(kPresets), [&](const Entry& preset) { return preset.name == name; });
  if (found != std::end(kPresets)) return *found;
  std::string known;
  for (const Entry& preset : kPresets) known += concat(known.empty() ? "" : ", ", preset.name);
  throw ArgumentError(concat("unknown preset '", name, "'; known: ", known));
}

// What `blk.<layer>.<part>.weight` names.
struct InLayer {
  int64_t layer = 0;
  std::string_view part;
};

std::optional<int64_t> to_layer(std::string_view digits) {
  uint32_t layer = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return layer;
}

std::optional<InLayer> in_layer(std::string_view name) {
  constexpr std::string_view kBegin = "blk.", kEnd = ".weight";
  if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) return std::nullopt;
  name = name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size());
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos || name.find('.', dot + 1) != std::string_view::npos) return std::nullopt;
  const std::optional<int64_t> layer = to_layer(name.substr(0, dot));
  if (!layer) return std::nullopt;
  return InLayer{*layer, name.substr(dot + 1)};
}

// The facts about a model that the rules depend on.
struct ModelFacts {
  int64_t num_layers = 0;
  int64_t num_experts = 1;
  int64_t heads_per_kv_head = 1;  // of the first layer
  std::vector<int64_t> attn_v;    // the numbers of the layers that have an attn_v
  bool has_output = false;        // whether the head is a tensor of its own and not the embedding
  bool has_importance = false;
};

int64_t count_layers(std::span<const GgufTensor> tensors) {
  int64_t last = -1;
  for (const GgufTensor& tensor : tensors) {
    const std::string_view name = tensor.name;
    if (!name.starts_with("blk.")) continue;
    last = std::max(last, to_layer(name.substr(4, name.find('.', 4) - 4)).value_or(-1));
  }
  return last + 1;
}

ModelFacts describe(std::span<const GgufTensor> tensors, const PlanOptions& options) {
  std::unordered_map<std::string_view, int64_t> rows;
  ModelFacts model;
  for (const GgufTensor& tensor : tensors) {
    if (!tensor.shape.empty()) rows[tensor.name] = tensor.shape[0];
    const std::optional<InLayer> place = in_layer(tensor.name);
    if (place && place->part == "attn_v") model.attn_v.push_back(place->layer);
  }
  const auto rows_of = [&](std::string_view name) {
    const auto found = rows.find(name);
    return found == rows.end() ? 1 : std::max<int64_t>(found->second, 1);
  };
  std::sort(model.attn_v.begin(), model.attn_v.end());
  model.num_layers = options.num_layers < 0 ? count_layers(tensors) : options.num_layers;
  model.num_experts = rows_of("blk.0.ffn_gate_inp.weight");
  model.heads_per_kv_head = rows_of("blk.0.attn_q.weight") / rows_of("blk.0.attn_k.weight");
  model.has_output = rows.count("output.weight") != 0;
  model.has_importance = options.has_importance;
  return model;
}

// Whether a layer gets more bits: those in the first and last eighth do, and every third layer in between.
bool deserves_more_bits(int64_t index, int64_t count) {
  return index < count / 8 || index >= 7 * count / 8 || (index - count / 8) % 3 == 2;
}

bool has_more_bits(const Entry& preset) { return preset.name == "Q4_K_M" || preset.name == "Q5_K_M"; }

bool fits(Type type, int64_t columns) { return columns % find_dtype(std::string(type))->block_elements == 0; }

Type embedding_type(Type base, int64_t columns) { return base == "Q8_0" || !fits(base, columns) ? "Q8_0" : "Q6_K"; }

Type attention_type(const Entry& preset, const InLayer& place, const ModelFacts& model) {
  Type type = preset.base;
  if (place.part == "attn_v") {
    if (preset.name == "IQ4_XS" && model.heads_per_kv_head >= 4) type = "Q5_K";
    const auto index = std::lower_bound(model.attn_v.begin(), model.attn_v.end(), place.layer) - model.attn_v.begin();
    if (has_more_bits(preset) && deserves_more_bits(index, std::ssize(model.attn_v))) type = "Q6_K";
  }
  if (model.num_experts == 8) {  // llama.cpp's rule for models such as Mixtral: attention is a small part of the file
    if (place.part == "attn_v" || place.part == "attn_k") return "Q8_0";
    if (place.part == "attn_output" && (preset.name == "Q4_K_M" || preset.name == "IQ4_XS")) return "Q5_K";
  }
  return type;
}

// The type of ffn_down or ffn_down_exps.
Type ffn_down_type(const Entry& preset, int64_t layer, const ModelFacts& model) {
  const bool is_first = layer < model.num_layers / 8;
  if (has_more_bits(preset) && deserves_more_bits(layer, model.num_layers)) return "Q6_K";
  if (preset.name == "IQ4_XS" && is_first && !model.has_importance) return "Q5_K";
  if (preset.name == "Q4_0" && is_first && model.has_importance) return "Q4_1";
  return preset.base;
}

// The type that the rules give a matrix. Its rows may not fit this type.
Type wanted_type(const Entry& preset, const GgufTensor& tensor, const ModelFacts& model) {
  if (is_float(preset.base)) return preset.base;
  if (tensor.name == "output.weight" ||
      (tensor.name == "token_embd.weight" && (preset.base == "NVFP4" || !model.has_output))) {
    return embedding_type(preset.base, tensor.shape.back());
  }
  const std::optional<InLayer> place = in_layer(tensor.name);
  if (place && place->part.starts_with("attn_")) return attention_type(preset, *place, model);
  if (place && place->part.starts_with("ffn_down")) return ffn_down_type(preset, place->layer, model);
  return preset.base;
}

// The type if a row of `columns` elements fits its blocks; else the substitute, else F16.
Type fitting_type(Type type, int64_t columns) {
  if (fits(type, columns)) return type;
  for (const auto& [wanted, substitute] : kSubstitutes) {
    if (wanted == type && fits(substitute, columns)) return substitute;
  }
  return "F16";
}

}  // namespace

std::vector<Preset> presets() {
  std::vector<Preset> all;
  for (const Entry& preset : kPresets) {
    all.push_back({std::string(preset.name), preset.file_type, std::string(preset.base)});
  }
  return all;
}

bool stays_float32(const std::string& name, size_t rank) {
  return rank < 2 || name.find("norm") != std::string::npos || name.ends_with("ffn_gate_inp.weight");
}

std::vector<std::string> plan_types(const std::string& preset, std::span<const GgufTensor> tensors,
                                    const PlanOptions& options) {
  const Entry& found = find_preset(preset);
  const ModelFacts model = describe(tensors, options);
  std::vector<std::string> types;
  for (const GgufTensor& tensor : tensors) {
    const bool is_matrix = !stays_float32(tensor.name, tensor.shape.size());
    types.emplace_back(is_matrix ? fitting_type(wanted_type(found, tensor, model), tensor.shape.back()) : "F32");
  }
  return types;
}

}  // namespace gesso
