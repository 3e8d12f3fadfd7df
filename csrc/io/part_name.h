// The names of the files of a split GGUF file: "model-00002-of-00003.gguf" is part 2 of 3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gesso::io {

struct PartName {
  int64_t number = 0;  // from 1
  int64_t count = 0;
};

// What the end of a path says. Its letters may be large or small. nullopt for another name.
std::optional<PartName> parse_part_name(const std::string& path);

// The path of another part, in the same folder. `path` must have a part's name. It is not resolved: if it is a link, as
// in the cache of Hugging Face's hub, the other links stand beside it, and the files that they lead to have other
// names.
std::string part_path(const std::string& path, int64_t number);

// The end that the name of a part must have, for example "-00002-of-00003.gguf".
std::string part_ending(int64_t number, int64_t count);

}  // namespace gesso::io
