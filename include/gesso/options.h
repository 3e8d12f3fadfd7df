// The generation options as data, for programs that get options by name: a command line, JSON, another language.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gesso/error.h"
#include "gesso/export.h"
#include "gesso/generation.h"

namespace gesso {

// The kinds of values. The comments say how OptionValue holds them.
enum class OptionKind {
  kInt,     // int64_t
  kFloat,   // double; an int64_t serves, too
  kIds,     // std::vector<int32_t>: token ids
  kSeeds,   // std::vector<uint64_t>: one seed for all sequences, or one for each
  kCanvas,  // std::vector<std::vector<int32_t>>: token ids of a whole canvas for each sequence
  kPinned,  // std::vector<std::vector<PinnedTokens>>: for each sequence, for each canvas
  kTexts,   // std::vector<std::string>
};

using OptionValue =
    std::variant<int64_t, double, std::vector<int32_t>, std::vector<uint64_t>, std::vector<std::vector<int32_t>>,
                 std::vector<std::vector<PinnedTokens>>, std::vector<std::string>>;

struct OptionInfo {
  std::string name;  // in C, Python and JSON: "max_denoising_steps"
  std::string flag;  // on the command line, without its two dashes: "steps". Empty where the command line has none
  OptionKind kind = OptionKind::kInt;
  std::string unit;             // "nats", "tokens"; empty where there is none
  double least = 0, most = 0;   // bounds of a number; `most` is infinite where there is no upper bound
  bool excludes_least = false;  // whether `least` itself is not allowed
  std::string expected;         // the bounds in words: "an integer from 1 to 1073741824". Empty where it is no number
  std::string checkpoint_key;   // the GGUF key its default comes from: "diffusion.eb_max_steps". Empty: it is fixed
  OptionValue default_value;
  std::string help;  // one sentence
};

// The table of all options. It shows `defaults` as default values. Those of a model are in ModelConfig::generation.
GESSO_API std::vector<OptionInfo> generation_options(const GenerationDefaults& defaults = {});

// Sets one option. ArgumentError for a name that is not in the table, a value of another kind, or a number that is no
// float32 or out of its range. Everything else is checked when a generation starts.
GESSO_API void set_option(GenerationOptions& options, std::string_view name, OptionValue value);

}  // namespace gesso
