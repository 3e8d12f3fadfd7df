#include "diffusion/defaults.h"

#include <cmath>

#include "core/check.h"
#include "diffusion/option_table.h"

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

// The ids that end a text, for a checkpoint that does not list them. They are the ids of the tokens that end a turn: in
// the released model {1, 106, 50}. llama.cpp finds them in the same way.
std::vector<int32_t> end_tokens_of(const io::Metadata& metadata, const ModelConfig& config) {
  const auto* tokens = metadata.find_strings("tokenizer.ggml.tokens");
  if (!tokens) return GenerationDefaults{}.end_token_ids;
  std::vector<int32_t> ids = {config.eos_token_id};
  for (size_t id = 0; id < tokens->size(); ++id) {
    const bool ends = (*tokens)[id] == "<turn|>" || (*tokens)[id] == "<|tool_response>";
    if (ends && static_cast<int32_t>(id) != config.eos_token_id) ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

// Reads one option's default from the metadata.
struct Reader {
  const Option& option;
  const io::Metadata& metadata;
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
    std::vector<int32_t>& out = defaults.*ids.fallback;
    out.clear();
    for (int64_t id : *list) {
      check_format(id >= 0 && id <= INT32_MAX, option.checkpoint_key, ": expected a token id, got ", id);
      out.push_back(static_cast<int32_t>(id));
    }
  }
  // No checkpoint has defaults for these.
  void operator()(const Seeds&) const {}
  void operator()(const WarmCanvas&) const {}
  void operator()(const Pinned&) const {}

 private:
  // `value` is an int64_t or a double, as it is stored.
  template <typename T, typename Stored>
  void take(const Number<T>& number, const std::string& key, Stored value) const {
    check_format(std::isfinite(static_cast<double>(value)), key, ": expected ", describe(option.range, option.kind()),
                 ", got ", value);
    const std::string problem = option.problem(value);
    check_format(problem.empty(), key, ": ", problem);
    defaults.*number.fallback = static_cast<T>(value);
  }
};

}  // namespace

GenerationDefaults read_defaults(const io::Metadata& metadata, const ModelConfig& config) {
  GenerationDefaults defaults;
  defaults.end_token_ids = end_tokens_of(metadata, config);
  for (const Option& option : option_table()) std::visit(Reader{option, metadata, defaults}, option.member);
  check_format(defaults.t_max >= defaults.t_min, "diffusion.eb_t_max: expected at least the t_min of ", defaults.t_min,
               ", got ", defaults.t_max);
  return defaults;
}

}  // namespace gesso::diffusion
