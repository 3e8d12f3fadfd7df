#include "gesso/options.h"

#include "core/check.h"
#include "diffusion/option_table.h"

namespace gesso {
namespace {

using diffusion::Ids;
using diffusion::Number;
using diffusion::Option;
using diffusion::Pinned;
using diffusion::Seeds;
using diffusion::Texts;
using diffusion::WarmCanvas;

struct DefaultValue {
  const GenerationDefaults& defaults;

  OptionValue operator()(const Number<int64_t>& number) const { return defaults.*number.fallback; }
  OptionValue operator()(const Number<float>& number) const { return double{defaults.*number.fallback}; }
  OptionValue operator()(const Ids& ids) const { return defaults.*ids.fallback; }
  // These have no default: an option that the caller does not set keeps the value of a new GenerationOptions.
  OptionValue operator()(const Seeds& seeds) const { return GenerationOptions().*seeds.value; }
  OptionValue operator()(const WarmCanvas& canvas) const { return GenerationOptions().*canvas.value; }
  OptionValue operator()(const Pinned& pinned) const { return GenerationOptions().*pinned.value; }
  OptionValue operator()(const Texts& texts) const { return GenerationOptions().*texts.value; }
};

struct Setter {
  const Option& option;
  GenerationOptions& options;
  OptionValue value;

  void operator()(const Number<int64_t>& number) { options.*number.value = take<int64_t>("an integer"); }
  void operator()(const Number<float>& number) {
    const int64_t* integer = std::get_if<int64_t>(&value);
    const double given = integer ? static_cast<double>(*integer) : take<double>("a number");
    const std::string problem = option.problem(given);  // of the value as given, before it becomes a float
    check(problem.empty(), option.name, ": ", problem);
    options.*number.value = static_cast<float>(given);
  }
  void operator()(const Ids& ids) { options.*ids.value = take<std::vector<int32_t>>("token ids"); }
  void operator()(const Seeds& seeds) { options.*seeds.value = take<std::vector<uint64_t>>("seeds"); }
  void operator()(const WarmCanvas& canvas) {
    options.*canvas.value = take<std::vector<std::vector<int32_t>>>("token ids for each sequence");
  }
  void operator()(const Pinned& pinned) {
    options.*pinned.value = take<std::vector<std::vector<PinnedTokens>>>("pinned tokens for each sequence and canvas");
  }
  void operator()(const Texts& texts) { options.*texts.value = take<std::vector<std::string>>("strings"); }

 private:
  template <typename T>
  T take(const char* expected) {
    T* held = std::get_if<T>(&value);
    check(held != nullptr, option.name, ": expected ", expected, ", got a value of another kind");
    return std::move(*held);
  }
};

}  // namespace

std::vector<OptionInfo> generation_options(const GenerationDefaults& defaults) {
  std::vector<OptionInfo> infos;
  for (const Option& option : diffusion::option_table()) {
    const OptionKind kind = option.kind();
    const bool is_number = kind == OptionKind::kInt || kind == OptionKind::kFloat;
    infos.push_back({option.name, option.flag, kind, option.unit, option.range.least, option.range.most,
                     option.range.excludes_least, is_number ? describe(option.range, kind) : "", option.checkpoint_key,
                     std::visit(DefaultValue{defaults}, option.member), option.help});
  }
  return infos;
}

void set_option(GenerationOptions& options, std::string_view name, OptionValue value) {
  const Option& option = diffusion::find_option(name);
  std::visit(Setter{option, options, std::move(value)}, option.member);
}

}  // namespace gesso
