#include "diffusion/option_table.h"

#include <cmath>

#include "core/check.h"
#include "gesso/limits.h"

namespace gesso::diffusion {
namespace {

constexpr double kFinite = std::numeric_limits<float>::max();

using Options = GenerationOptions;
using Defaults = GenerationDefaults;

const Option kTable[] = {
    {.name = "max_new_tokens",
     .flag = "max-new-tokens",
     .unit = "tokens",
     .range = {1},
     .member = Number(&Options::max_new_tokens, &Defaults::max_new_tokens, &gesso_options::max_new_tokens),
     .help = "The text ends after this many new tokens."},
    {.name = "max_denoising_steps",
     .flag = "steps",
     .unit = "steps",
     .range = {1, double{kMaxSteps}},
     .checkpoint_key = "diffusion.eb_max_steps",
     .checkpoint_most = double{kMaxCheckpointSteps},
     .fork_key = "diffusion.eb_max_steps",
     .member =
         Number(&Options::max_denoising_steps, &Defaults::max_denoising_steps, &gesso_options::max_denoising_steps),
     .help = "A canvas is improved in at most this many steps."},
    {.name = "entropy_bound",
     .flag = "entropy-bound",
     .unit = "nats",
     .checkpoint_key = "diffusion.eb_entropy_bound",
     .fork_key = "diffusion.entropy_bound",
     .member = Number(&Options::entropy_bound, &Defaults::entropy_bound, &gesso_options::entropy_bound),
     .help = "A step keeps tokens, the most certain ones first, until their entropies add up to more than this."},
    {.name = "t_min",
     .flag = "t-min",
     .range = {0, kFinite},
     .checkpoint_key = "diffusion.eb_t_min",
     .member = Number(&Options::t_min, &Defaults::t_min, &gesso_options::t_min),
     .help = "The temperature falls towards this value from step to step; low temperatures prefer likely tokens."},
    {.name = "t_max",
     .flag = "t-max",
     .range = {0, kFinite, true},
     .checkpoint_key = "diffusion.eb_t_max",
     .member = Number(&Options::t_max, &Defaults::t_max, &gesso_options::t_max),
     .help = "The first step of a canvas has this temperature."},
    {.name = "stability_threshold",
     .flag = "stability",
     .unit = "steps",
     .checkpoint_key = "diffusion.eb_stability_threshold",
     .member =
         Number(&Options::stability_threshold, &Defaults::stability_threshold, &gesso_options::stability_threshold),
     .help = "A canvas may stop early only when its likeliest tokens stayed the same for this many steps."},
    {.name = "confidence_threshold",
     .flag = "confidence",
     .unit = "nats",
     .checkpoint_key = "diffusion.eb_confidence_threshold",
     .member =
         Number(&Options::confidence_threshold, &Defaults::confidence_threshold, &gesso_options::confidence_threshold),
     .help = "A canvas may stop early only when the mean entropy of its tokens is below this."},
    {.name = "end_token_ids",
     .checkpoint_key = "gesso.end_token_ids",
     .member = Ids{&Options::end_token_ids,
                   &Defaults::end_token_ids,
                   {&gesso_options::end_token_ids, &gesso_options::num_end_token_ids}},
     .help = "A text ends in front of the first of these tokens."},
    {.name = "stop",
     .member = Texts{&Options::stop, {&gesso_options::stop, &gesso_options::num_stop}},
     .help = "A text ends in front of the first of these strings."},
    {.name = "seed",
     .flag = "seed",
     .member = Seeds{&Options::seeds, &gesso_options::seed, {&gesso_options::seeds, &gesso_options::num_seeds}},
     .help = "The same seed gives the same text, another seed another one."},
    {.name = "canvas",
     .member = WarmCanvas{&Options::canvas, {&gesso_options::canvas, &gesso_options::num_canvas_ids}},
     .help = "The first canvas starts from these tokens instead of random ones."},
    {.name = "pinned",
     .member = Pinned{&Options::pinned, {&gesso_options::pins, &gesso_options::num_pins}},
     .help = "These tokens stay as they are at their positions of the canvas."},
};

struct KindOf {
  OptionKind operator()(const Number<int64_t>&) const { return OptionKind::kInt; }
  OptionKind operator()(const Number<float>&) const { return OptionKind::kFloat; }
  OptionKind operator()(const Ids&) const { return OptionKind::kIds; }
  OptionKind operator()(const Seeds&) const { return OptionKind::kSeeds; }
  OptionKind operator()(const WarmCanvas&) const { return OptionKind::kCanvas; }
  OptionKind operator()(const Pinned&) const { return OptionKind::kPinned; }
  OptionKind operator()(const Texts&) const { return OptionKind::kTexts; }
};

}  // namespace

std::string describe(const Range& range, OptionKind kind) {
  const char* bound = range.excludes_least ? "> " : ">= ";
  if (kind != OptionKind::kInt) {
    return concat(range.most == kFinite ? "a finite number " : "a number ", bound, range.least);
  }
  if (std::isinf(range.most)) return concat("an integer ", bound, range.least);
  return concat("an integer from ", range.least, " to ", static_cast<int64_t>(range.most));
}

bool fits_float32(double value) {
  const double size = std::fabs(value);
  return size == 0 || std::isinf(size) || (size >= std::numeric_limits<float>::min() && size <= kFinite);
}

std::string Option::problem(int64_t value) const {
  if (range.contains(static_cast<double>(value))) return {};
  return concat("expected ", describe(range, kind()), ", got ", value);
}

std::string Option::problem(double value) const {
  const bool is_large = value > kFinite && range.most == kFinite && !std::isinf(value);
  if (!range.contains(value) && !is_large) return concat("expected ", describe(range, kind()), ", got ", value);
  if (fits_float32(value)) return {};
  return concat("expected a number that float32 holds, 0 or from ", std::numeric_limits<float>::min(), " to ", kFinite,
                ", got ", value);
}

OptionKind Option::kind() const { return std::visit(KindOf(), member); }

std::span<const Option> option_table() { return kTable; }

const Option& find_option(std::string_view name) {
  for (const Option& option : kTable) {
    if (name == option.name) return option;
  }
  throw ArgumentError(concat("\"", name, "\" is no generation option"));
}

}  // namespace gesso::diffusion
