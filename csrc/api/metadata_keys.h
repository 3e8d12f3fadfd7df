// What gesso does with every metadata key that it knows, so that no key is passed over that would change the results.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/metadata.h"

namespace gesso {

enum class KeyTreatment {
  kRead,     // a function that reads the checkpoint takes it
  kIgnored,  // it has no influence on the results
  kOnly,     // it is accepted with the values `allowed`, which mean what the model does anyway
  kRefused,  // it means that the model is another one, whatever its value
};

// Keys with the same treatment. A key that begins with "*." stands for "<architecture>."; one that ends with "*" stands
// for all keys that begin so, except for those that are listed in full.
struct KeyGroup {
  KeyTreatment treatment;
  std::string_view why;  // kRead: who reads it. kIgnored: why it has no influence. Else: what it would change
  std::vector<std::string_view> keys;
  std::vector<double> allowed = {};    // for kOnly. 1 and 0 stand for true and false, too. None: only an empty list
  std::string_view allowed_text = {};  // for kOnly, in place of `allowed`
};

// The group of a key, or nullptr if no group has it. The keys of generation options are in none: `option_table` has
// them. architecture: the value of general.architecture.
const KeyGroup* find_key_group(std::string_view key, std::string_view architecture);

// Throws one FormatError that lists all keys that would change the results and that gesso does not honour: those of the
// table with another value than it allows, and unknown ones of the architecture, of `diffusion.`, `tokenizer.` and
// `gesso.`. Unknown keys elsewhere are information for people or for other programs, and are ignored.
void check_keys(const io::Metadata& metadata);

}  // namespace gesso
