#include "gesso/options.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <algorithm>

#include "bindings.h"

namespace gesso::bindings {
namespace {

OptionValue to_value(OptionKind kind, nb::handle value) {
  switch (kind) {
    case OptionKind::kInt:
      return nb::cast<int64_t>(value);
    case OptionKind::kFloat:
      return nb::cast<double>(value);
    case OptionKind::kIds:
      return nb::cast<std::vector<int32_t>>(value);
    case OptionKind::kSeeds:
      return nb::cast<std::vector<uint64_t>>(value);
    case OptionKind::kCanvas:
      return nb::cast<std::vector<std::vector<int32_t>>>(value);
    case OptionKind::kPinned:
      return nb::cast<std::vector<std::vector<PinnedTokens>>>(value);
    case OptionKind::kTexts:
      return nb::cast<std::vector<std::string>>(value);
  }
  throw std::logic_error("an option of no kind");
}

}  // namespace

GenerationOptions options_from(const OptionValues& values) {
  static const auto& table = *new std::vector<OptionInfo>(generation_options());  // for threads that outlive Python
  GenerationOptions options;
  for (const auto& [key, value] : values) {
    const std::string name = nb::cast<std::string>(key);
    const auto found = std::find_if(table.begin(), table.end(), [&](const OptionInfo& x) { return x.name == name; });
    if (found == table.end()) throw ArgumentError("\"" + name + "\" is no generation option");
    set_option(options, name, to_value(found->kind, value));
  }
  return options;
}

void bind_options(nb::module_& module) {
  nb::enum_<OptionKind>(module, "OptionKind", "What the value of an option means.")
      .value("INT", OptionKind::kInt)
      .value("FLOAT", OptionKind::kFloat)
      .value("IDS", OptionKind::kIds, "Token ids.")
      .value("SEEDS", OptionKind::kSeeds, "One seed for all sequences, or one for each.")
      .value("CANVAS", OptionKind::kCanvas, "Token ids of a whole canvas for each sequence.")
      .value("PINNED", OptionKind::kPinned, "For each sequence, for each canvas: token ids by position.")
      .value("TEXTS", OptionKind::kTexts, "Strings.");
  nb::class_<OptionInfo>(module, "OptionInfo", "One row of the table of generation options.")
      .def_ro("name", &OptionInfo::name, "The word in Python, C and JSON, for example \"max_denoising_steps\".")
      .def_ro("flag", &OptionInfo::flag,
              "The word on the command line, without its two dashes, for example \"steps\". It is empty where the"
              " command line does not have the option.")
      .def_ro("kind", &OptionInfo::kind)
      .def_ro("unit", &OptionInfo::unit, "For example \"nats\"; empty where there is none.")
      .def_ro("least", &OptionInfo::least, "The least value that a number may have, unless `excludes_least`.")
      .def_ro("most", &OptionInfo::most, "The largest value that a number may have; infinite where there is none.")
      .def_ro("excludes_least", &OptionInfo::excludes_least, "Whether a number must be more than `least`.")
      .def_ro("expected", &OptionInfo::expected,
              "The bounds in words, for example \"an integer from 1 to 1073741824\"; empty where it is no number.")
      .def_ro("checkpoint_key", &OptionInfo::checkpoint_key,
              "The GGUF key that the default comes from; empty for a default that no checkpoint changes.")
      .def_ro("default_value", &OptionInfo::default_value, "The default where a checkpoint does not have the key.")
      .def_ro("help", &OptionInfo::help, "One sentence on what it does.")
      .def("__repr__", [](const OptionInfo& option) { return "<" + option.name + ": " + option.help + ">"; });
  module.def("generation_options", [] { return generation_options(); }, "The table of generation options.");
  module.def(
      "end_token_names", [] { return std::vector<std::string>(std::begin(kEndTokenNames), std::end(kEndTokenNames)); },
      "The texts of the tokens that end a turn.");
}

}  // namespace gesso::bindings
