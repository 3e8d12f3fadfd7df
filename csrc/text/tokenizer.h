// Builds a Tokenizer from the metadata of a checkpoint.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "gesso/tokenizer.h"
#include "io/metadata.h"

namespace gesso::text {

// Returns nullopt when the metadata has no tokenizer.ggml.tokens. The tokenizer keeps views of the metadata's strings,
// but does not need the metadata itself. `owner` keeps the strings alive, and the tokenizer holds it. The function
// throws a FormatError that names the key, and the index in an array, for: a tokenizer.ggml.model other than gemma4; a
// missing token_type or merges; an id outside the vocabulary; a chat template that is not UTF-8; and all that
// Vocabulary, MergeTable and Bpe refuse. `interrupted` is polled meanwhile; true ends the call by throwing Interrupted.
std::optional<Tokenizer> load_tokenizer(const io::Metadata& metadata, std::shared_ptr<const void> owner,
                                        const std::function<bool()>& interrupted = {});

}  // namespace gesso::text
