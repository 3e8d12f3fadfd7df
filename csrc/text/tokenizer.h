// Builds a Tokenizer from a checkpoint's metadata.
#pragma once

#include <memory>
#include <optional>

#include "gesso/tokenizer.h"
#include "io/metadata.h"

namespace gesso::text {

// nullopt when the metadata has no tokenizer.ggml.tokens. The tokenizer refers to the metadata's strings, not to the
// metadata: `owner` is what keeps the strings alive, and the tokenizer holds it.
// FormatError naming key and index for everything else: a tokenizer.ggml.model other than gemma4, missing token_type or
// merges, an id outside the vocabulary, and what Vocabulary, MergeTable and Bpe refuse.
std::optional<Tokenizer> load_tokenizer(const io::Metadata& metadata, std::shared_ptr<const void> owner);

}  // namespace gesso::text
