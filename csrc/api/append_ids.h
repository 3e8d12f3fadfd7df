// Checks the token ids that a caller gives a session, and appends them to its sequences.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "gesso/config.h"
#include "gesso/tokenizer.h"
#include "model/sequence.h"

namespace gesso {

// ArgumentError, which begins with `what`, unless all ids are in the vocabulary.
void check_ids(const char* what, std::span<const int32_t> ids, const ModelConfig& config);

// ArgumentError for a text that cannot fit the context, whatever its tokens are. It need not be encoded then.
void check_length(std::string_view text, const Tokenizer& tokenizer, const ModelConfig& config);

// Appends ids[i] to sequences[i] without encoding them. ArgumentError for an empty text, for ids outside the vocabulary
// or that stand for other media, and for more tokens than the context holds. Then no sequence has changed.
void append_ids(std::span<const std::vector<int32_t>> ids, std::span<model::Sequence> sequences,
                const ModelConfig& config);

}  // namespace gesso
