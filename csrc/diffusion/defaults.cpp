#include "diffusion/defaults.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "diffusion/option_table.h"
#include "gesso/limits.h"

namespace gesso::diffusion {
namespace {

// The key under which the metadata hold an option's default. It is empty if they have none.
std::string find_key(const Option& option, const io::Metadata& metadata) {
  const std::string_view key = option.checkpoint_key, fork_key = option.fork_key;
  if (!key.empty() && metadata.has(std::string(key))) return std::string(key);
  if (fork_key.empty()) return {};
  const std::string full_key = concat(metadata.get_string("general.architecture"), ".", fork_key);
  return metadata.has(full_key) ? full_key : std::string();
}

int32_t checked_end(const std::string& key, int64_t id, const ModelConfig& config) {
  check_format(id >= 0 && id < config.vocab_size, key, ": expected a token id from 0 to ", config.vocab_size - 1,
               ", got ", id);
  return static_cast<int32_t>(id);
}

// The ids that end a text, for a checkpoint that does not list them. Where nothing names a token, they are the
// reference's default. Else they are the ids that the metadata name as ends, and the
// tokens with the names of the released model's end tokens. llama.cpp finds them in the same way.
std::vector<int32_t> end_tokens_of(const io::Metadata& metadata, const ModelConfig& config) {
  const auto* tokens = metadata.find_strings("tokenizer.ggml.tokens");
  if (!tokens && !metadata.has("tokenizer.ggml.eos_token_id")) return GenerationDefaults{}.end_token_ids;
  std::vector<int32_t> ids = {config.eos_token_id};
  const auto add = [&](int64_t id) {
    const auto end = static_cast<int32_t>(id);
    if (std::find(ids.begin(), ids.end(), end) == ids.end()) ids.push_back(end);
  };
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    if (metadata.has(key)) add(checked_end(key, metadata.get_int(key), config));
  }
  for (size_t id = 0; tokens && id < tokens->size(); ++id) {
    const auto* name = std::find(std::begin(kEndTokenNames), std::end(kEndTokenNames), (*tokens)[id]);
    if (name != std::end(kEndTokenNames)) add(static_cast<int64_t>(id));
  }
  return ids;
}

// Reads one option's default from the metadata.
struct Reader {
  const Option& option;
  const io::Metadata& metadata;
  const ModelConfig& config;
  GenerationDefaults& defaults;

  void operator()(const Number<int64_t>& number) const {
    const std::string key = find_key(option, metadata);
    if (!key.empty()) take(number, key, metadata.get_int(key));
  }
  void operator()(const Number<float>& number) const {
    const std::string key = find_key(option, metadata);
    if (!key.empty()) take(number, key, metadata.get_float(key));
  }
  void operator()(const Ids& ids) const {
    const auto* list = metadata.find_ints(option.checkpoint_key);
    if (!list) return;
    check_format(list->size <= size_t{kMaxEndTokens}, option.checkpoint_key, ": expected at most ", kMaxEndTokens,
                 " token ids, got ", list->size);
    std::vector<int32_t>& out = defaults.*ids.fallback;
    out.clear();
    for (int64_t id : list->to_vector<int64_t>()) {
      const int32_t checked = checked_end(option.checkpoint_key, id, config);
      if (std::find(out.begin(), out.end(), checked) == out.end()) out.push_back(checked);
    }
  }
  // No checkpoint has defaults for these.
  void operator()(const Seeds&) const {}
  void operator()(const WarmCanvas&) const {}
  void operator()(const Pinned&) const {}
  void operator()(const Texts&) const {}

 private:
  // `value` is an int64_t or a double, as it is stored.
  template <typename T, typename Stored>
  void take(const Number<T>& number, const std::string& key, Stored value) const {
    Option bounded = option;
    bounded.range.most = std::min(bounded.range.most, option.checkpoint_most);
    check_format(std::isfinite(static_cast<double>(value)), key, ": expected ", describe(bounded.range, option.kind()),
                 ", got ", value);
    const std::string problem = bounded.problem(value);
    check_format(problem.empty(), key, ": ", problem);
    defaults.*number.fallback = static_cast<T>(value);
  }
};

}  // namespace

GenerationDefaults read_defaults(const io::Metadata& metadata, const ModelConfig& config) {
  GenerationDefaults defaults;
  defaults.end_token_ids = end_tokens_of(metadata, config);
  for (const Option& option : option_table()) std::visit(Reader{option, metadata, config, defaults}, option.member);
  check_format(defaults.t_max >= defaults.t_min, "diffusion.eb_t_max: expected at least the t_min of ", defaults.t_min,
               ", got ", defaults.t_max);
  return defaults;
}

}  // namespace gesso::diffusion
