// Generates for a batch of sequences, in a loop of its own.
#pragma once

#include <optional>
#include <span>

#include "gesso/generation.h"
#include "gesso/tokenizer.h"
#include "model/pass_context.h"
#include "model/sequence.h"

namespace gesso::engine {

// Continues every sequence, each of which must have at least one token. What is generated is appended to the sequence's
// ids, see diffusion::Generation. `tokenizer` is for stop strings. No memory of size C x V is used: from step to step a
// canvas keeps its soft embedding, C x D floats. ArgumentError for bad options, or when prompt and canvases do not fit
// the context, NumericsError when a step's numbers are not finite, and what a callback throws. After an exception the
// caller must rewind the sequences, since canvases may have been committed before.
GenerationResult generate(const model::PassContext& pass, std::span<model::Sequence> sequences,
                          const GenerationOptions& options, const std::optional<Tokenizer>& tokenizer = std::nullopt);

}  // namespace gesso::engine
