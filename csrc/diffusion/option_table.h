// The table of generation options. The checks, the defaults from checkpoints, the bindings of C and Python and the
// command line follow from it.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gesso/generation.h"
#include "gesso/gesso.h"
#include "gesso/options.h"

namespace gesso::diffusion {

// Where a number is kept: in GenerationOptions, in the defaults, and in the struct of C. There is a constructor so that
// none of the three can be left out.
template <typename T>
struct Number {
  constexpr Number(std::optional<T> GenerationOptions::*value, T GenerationDefaults::*fallback, T gesso_options::*in_c)
      : value(value), fallback(fallback), in_c(in_c) {}

  std::optional<T> GenerationOptions::*value;
  T GenerationDefaults::*fallback;
  T gesso_options::*in_c;  // negative: the caller has not set it
};

// Where the struct of C keeps a list, and how long it is. NULL: the caller has not set it.
template <typename T>
struct ListInC {
  T const* gesso_options::*items;
  size_t gesso_options::*count;
};

struct Ids {
  std::optional<std::vector<int32_t>> GenerationOptions::*value;
  std::vector<int32_t> GenerationDefaults::*fallback;
  ListInC<int32_t> in_c;
};

struct Seeds {
  std::vector<uint64_t> GenerationOptions::*value;
  uint64_t gesso_options::*in_c;  // of all sequences, where there is no list
  ListInC<uint64_t> list_in_c;
};

struct WarmCanvas {
  std::vector<std::vector<int32_t>> GenerationOptions::*value;
  ListInC<int32_t> in_c;
};

struct Pinned {
  std::vector<std::vector<PinnedTokens>> GenerationOptions::*value;
  ListInC<gesso_pin> in_c;
};

struct Texts {
  std::vector<std::string> GenerationOptions::*value;
  ListInC<const char*> in_c;
};

using Member = std::variant<Number<int64_t>, Number<float>, Ids, Seeds, WarmCanvas, Pinned, Texts>;

// Bounds of a number, both included unless `excludes_least`.
struct Range {
  double least = 0;
  double most = std::numeric_limits<double>::infinity();
  bool excludes_least = false;

  // NaN is never in range, since a comparison with NaN is false.
  bool contains(double value) const { return (excludes_least ? value > least : value >= least) && value <= most; }
};

// Describes a range for error messages: "an integer from 1 to 1073741824", "a finite number > 0".
std::string describe(const Range& range, OptionKind kind);

// Whether float32 holds a number with all its digits: 0, an infinity, or a magnitude from 1.2e-38 to 3.4e38.
bool fits_float32(double value);

struct Option {
  const char* name;
  const char* flag = "";
  const char* unit = "";
  Range range = {};
  const char* checkpoint_key = "";
  // The largest default that a checkpoint may have, where it is less than a caller may ask for.
  double checkpoint_most = std::numeric_limits<double>::infinity();
  const char* fork_key = "";  // the key's name in a fork of llama.cpp, without "<architecture>."
  Member member;
  const char* help;

  OptionKind kind() const;
  // What is wrong with a value, as it was given: "expected a finite number > 0, got 1e+300". Empty if nothing is.
  std::string problem(int64_t value) const;
  std::string problem(double value) const;
};

std::span<const Option> option_table();
// ArgumentError if the table has no option of that name.
const Option& find_option(std::string_view name);

}  // namespace gesso::diffusion
