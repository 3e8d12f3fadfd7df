#include "api/metadata_keys.h"

#include <algorithm>
#include <limits>

#include "core/check.h"
#include "diffusion/option_table.h"

namespace gesso {
namespace {

using enum KeyTreatment;

const std::vector<KeyGroup>& key_groups() {
  static const std::vector<KeyGroup> kGroups = {
      {kRead,
       "model/config.cpp",
       {"general.architecture",
        "*.vocab_size",
        "*.context_length",
        "*.embedding_length",
        "*.block_count",
        "*.feed_forward_length",
        "*.expert_feed_forward_length",
        "*.expert_count",
        "*.expert_used_count",
        "*.attention.head_count",
        "*.attention.head_count_kv",
        "*.attention.key_length",
        "*.attention.value_length",
        "*.attention.key_length_swa",
        "*.attention.value_length_swa",
        "*.attention.layer_norm_rms_epsilon",
        "*.attention.sliding_window",
        "*.attention.sliding_window_pattern",
        "*.final_logit_softcapping",
        "*.rope.dimension_count",
        "*.rope.dimension_count_swa",
        "*.rope.freq_base",
        "*.rope.freq_base_swa",
        "*.diffusion.block_size",
        "diffusion.canvas_length",
        "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.padding_token_id",
        "gesso.image_token_id"}},
      {kRead, "diffusion/defaults.cpp", {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}},
      {kRead,
       "text/tokenizer.cpp",
       {"tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges",
        "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.add_bos_token", "tokenizer.chat_template"}},
      {kRead, "io/", {"general.alignment", "split.*"}},

      {kIgnored, "information for people and for other programs", {"general.*", "imatrix.*"}},
      {kIgnored, "the vision and audio parts; prompts with images are refused", {"clip.*"}},
      {kIgnored,
       "settings of samplers that draw token by token; those of this model are diffusion.eb_*",
       {"general.sampling.*"}},
      {kIgnored,
       "only rope.scaling.type yarn or longrope reads it, and these are refused",
       {"*.rope.scaling.original_context_length", "*.rope.scaling.finetuned", "*.rope.scaling.yarn_log_multiplier",
        "*.rope.scaling.yarn_ext_factor", "*.rope.scaling.yarn_attn_factor", "*.rope.scaling.yarn_beta_fast",
        "*.rope.scaling.yarn_beta_slow"}},
      {kIgnored, "the merges have an order of their own", {"tokenizer.ggml.scores"}},
      {kIgnored,
       "a name for a token, which nothing in this model asks for",
       {"tokenizer.ggml.mask_token_id", "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.cls_token_id",
        "tokenizer.ggml.fim_*", "tokenizer.ggml.prefix_token_id", "tokenizer.ggml.suffix_token_id",
        "tokenizer.ggml.middle_token_id"}},
      {kIgnored, "a copy of tokenizer.json for other programs", {"tokenizer.huggingface.json"}},
      {kIgnored, "templates besides the one that is used", {"tokenizer.chat_template.*", "tokenizer.chat_templates"}},

      {kOnly, "", {"general.type"}, {}, "model"},
      {kOnly, "the router takes a softmax", {"*.expert_gating_func"}, {1}},
      {kOnly, "the router's weights sum to 1", {"*.expert_weights_norm", "*.expert_weights_scale"}, {1}},
      {kOnly,
       "every layer has one group of experts and no shared ones",
       {"*.expert_shared_count", "*.expert_shared_feed_forward_length", "*.expert_chunk_feed_forward_length",
        "*.leading_dense_block_count", "*.experts_per_group", "*.moe_latent_size", "*.expert_group_scale"},
       {0}},
      {kOnly,
       "every layer has one group of experts",
       {"*.expert_group_count", "*.expert_group_used_count", "*.moe_every_n_layers", "*.interleave_moe_layer_step"},
       {0, 1}},
      {kOnly,
       "only the logits of the head are capped",
       {"*.attn_logit_softcapping", "*.router_logit_softcapping"},
       {0}},
      {kOnly, "there is no such factor", {"*.logit_scale", "*.residual_scale", "*.attention.output_scale"}, {0, 1}},
      {kOnly, "queries and keys are normed, so their products have no factor", {"*.attention.scale"}, {1}},
      {kOnly, "embeddings are multiplied with the root of their length", {"*.embedding_scale"}, {0}},
      {kOnly, "the canvas sees the whole canvas", {"*.attention.causal"}, {0}},
      {kOnly, "each layer has keys and values of its own", {"*.attention.shared_kv_layers"}, {0}},
      {kOnly, "there is no embedding per layer", {"*.embedding_length_per_layer_input"}, {0}},
      {kOnly,
       "attention has no such part",
       {"*.attention.max_alibi_bias", "*.attention.clamp_kqv", "*.attention.q_lora_rank", "*.attention.kv_lora_rank",
        "*.attention.decay_lora_rank", "*.attention.iclr_lora_rank", "*.attention.value_residual_mix_lora_rank",
        "*.attention.gate_lora_rank", "*.attention.relative_buckets_count", "*.attention.temperature_length",
        "*.attention.temperature_scale", "*.attention.key_length_mla", "*.attention.value_length_mla",
        "*.attention.indexer.*"},
       {0}},
      {kOnly, "rotation is not scaled", {"*.rope.scaling.type"}, {}, "none"},
      {kOnly, "rotation is not scaled", {"*.rope.scaling.factor", "*.rope.scale_linear"}, {0, 1}},
      {kOnly, "rotation is not scaled", {"*.rope.scaling.attn_factor"}, {1}},
      {kOnly, "rotation is not scaled", {"*.rope.scaling.alpha"}, {0}},
      {kOnly, "positions have one dimension", {"*.rope.dimension_sections"}, {0}},
      {kOnly,
       "there is no such part",
       {"*.embedding_length_out", "*.features_length", "*.nextn_predict_layers", "*.n_deepstack_layers",
        "*.pooling_type", "*.decoder_block_count", "*.use_parallel_residual", "*.swin_norm", "*.rescale_every_n_layers",
        "*.time_mix_extra_dim", "*.time_decay_extra_dim", "*.token_shift_count", "*.full_attention_interval",
        "*.activation_sparsity_scale", "*.altup.num_inputs", "*.swiglu_clamp_exp", "*.swiglu_clamp_shexp"},
       {0}},
      {kOnly, "the logits of a position are those of its own token", {"diffusion.shift_logits"}, {0}},
      {kOnly, "texts are split in this way", {"tokenizer.ggml.pre"}, {}, "gemma4"},
      {kOnly,
       "texts are encoded as they are",
       {"tokenizer.ggml.add_space_prefix", "tokenizer.ggml.remove_extra_whitespaces"},
       {0}},
      {kOnly,
       "a prompt gets no token at its end",
       {"tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_sep_token"},
       {0}},
      {kOnly, "tokens have no types that the model sees", {"tokenizer.ggml.token_type_count"}, {0, 1}},
      {kOnly, "every token may be drawn", {"tokenizer.ggml.suppress_tokens"}},

      {kRefused, "rows of the weights may be in another order", {"*.tensor_data_layout"}},
      {kRefused,
       "it is of another architecture",
       {"*.decoder_start_token_id", "*.altup.active_idx", "*.dense_2_feat_in", "*.dense_2_feat_out",
        "*.dense_3_feat_in", "*.dense_3_feat_out", "*.attention.layer_norm_epsilon", "*.attention.group_norm_epsilon",
        "*.attention.group_norm_groups", "*.ssm.*", "*.kda.*", "*.wkv.*", "*.posnet.*", "*.convnext.*",
        "*.classifier.*", "*.shortconv.*", "xielu.*", "tokenizer.rwkv.world"}},
      {kRefused, "it normalises texts", {"tokenizer.ggml.precompiled_charsmap"}},
      {kRefused, "it is of an adapter", {"adapter.*"}},
  };
  return kGroups;
}

// Whether `pattern` stands for the key `name`, in which "*." stands for "<architecture>." already.
bool stands_for(std::string_view pattern, std::string_view name) {
  if (pattern.size() > 2 && pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == name;
}

bool is_option_key(std::string_view key, std::string_view name) {
  const auto options = diffusion::option_table();
  return std::any_of(options.begin(), options.end(), [&](const diffusion::Option& option) {
    const std::string_view fork_key = option.fork_key;
    return key == option.checkpoint_key || (name.starts_with("*.") && name.substr(2) == fork_key);
  });
}

std::string general_name(std::string_view key, std::string_view architecture) {
  const bool is_models = key.starts_with(architecture) && key.substr(architecture.size()).starts_with('.');
  return is_models ? concat("*", key.substr(architecture.size())) : std::string(key);
}

// One number that a value holds or spells; NaN, which no list allows, if there is none.
double number_of(const io::Metadata& metadata, const std::string& key) {
  const io::MetadataValue& value = *metadata.find(key);
  try {
    if (std::holds_alternative<bool>(value)) return metadata.get_bool(key, false) ? 1 : 0;
    return metadata.get_float(key);
  } catch (const FormatError&) {
    return std::numeric_limits<double>::quiet_NaN();
  }
}

// A list, one value per layer, is allowed if all its elements are.
bool is_allowed(const io::Metadata& metadata, const std::string& key, const KeyGroup& group) {
  const io::MetadataValue& value = *metadata.find(key);
  const auto allows = [&](double number) {
    return std::find(group.allowed.begin(), group.allowed.end(), number) != group.allowed.end();
  };
  if (const auto* text = std::get_if<std::string_view>(&value); text && !group.allowed_text.empty()) {
    return *text == group.allowed_text;
  }
  if (const auto* list = std::get_if<NumberArray>(&value)) {
    for (size_t i = 0; i < list->size; ++i) {
      if (!allows(list->at<double>(i))) return false;
    }
    return true;
  }
  if (const auto* list = std::get_if<std::vector<std::string_view>>(&value)) return list->empty();
  return allows(number_of(metadata, key));
}

std::string allowed_values(const KeyGroup& group) {
  if (!group.allowed_text.empty()) return io::quoted(group.allowed_text);
  std::string values;
  for (const double number : group.allowed) values += concat(values.empty() ? "" : " or ", number);
  return values.empty() ? "an empty list" : values;
}

// Returns what is wrong with a key, or nothing.
std::string problem_of(const io::Metadata& metadata, const std::string& key, std::string_view architecture) {
  const std::string shown = io::shown_name(key);
  const std::string got = io::described(*metadata.find(key));
  const std::string name = general_name(key, architecture);
  if (is_option_key(key, name)) return {};
  if (const KeyGroup* group = find_key_group(key, architecture)) {
    const std::string why = group->why.empty() ? "" : concat(" (", group->why, ")");
    if (group->treatment == kRefused) return concat(shown, ": not supported", why, ", got ", got);
    if (group->treatment != kOnly || is_allowed(metadata, key, *group)) return {};
    return concat(shown, ": only ", allowed_values(*group), " is supported", why, ", got ", got);
  }
  for (const std::string_view guarded : {"*.", "diffusion.", "tokenizer.", "gesso."}) {
    if (name.starts_with(guarded)) return concat(shown, ": unknown key, which may change the results; got ", got);
  }
  return {};
}

}  // namespace

const KeyGroup* find_key_group(std::string_view key, std::string_view architecture) {
  const std::string name = general_name(key, architecture);
  const KeyGroup* found = nullptr;
  size_t longest = 0;
  for (const KeyGroup& group : key_groups()) {
    for (const std::string_view pattern : group.keys) {
      if (pattern == name) return &group;
      if (pattern.size() > longest && stands_for(pattern, name)) {
        found = &group;
        longest = pattern.size();
      }
    }
  }
  return found;
}

void check_keys(const io::Metadata& metadata) {
  constexpr size_t kShown = 20;
  const std::string_view architecture = metadata.get_string("general.architecture");
  std::vector<std::string> problems;
  for (const std::string& key : metadata.keys()) {
    std::string problem = problem_of(metadata, key, architecture);
    if (!problem.empty()) problems.push_back(std::move(problem));
  }
  if (problems.empty()) return;
  if (problems.size() == 1) throw FormatError(problems[0]);
  std::string message = concat("metadata that mean another model (", problems.size(), " problems):");
  for (size_t i = 0; i < std::min(kShown, problems.size()); ++i) message += "\n  " + problems[i];
  if (problems.size() > kShown) message += concat("\n  and ", problems.size() - kShown, " more");
  throw FormatError(message);
}

}  // namespace gesso
