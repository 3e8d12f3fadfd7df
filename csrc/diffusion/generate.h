// The generation loop: encode, denoise a canvas until it settles, commit it, and start the next one.
#pragma once

#include <span>

#include "gesso/generation.h"
#include "model/pass_context.h"
#include "model/sequence.h"

namespace gesso::diffusion {

// Continues every sequence, each of which must have at least one token. What is generated is appended to the sequence's
// ids, up to the first end token and without it. A sequence whose canvas has settled waits for the others, and its
// canvas does not change. A sequence with an end token is done. No memory of size C x V is used: from step to step a
// sequence keeps its soft embedding, C x D floats. ArgumentError for bad options, or when prompt and canvases do not
// fit the context, NumericsError when a step's numbers are not finite. After an exception the caller must rewind the
// sequences, since canvases may have been committed before.
GenerationResult generate(const model::PassContext& pass, std::span<model::Sequence> sequences,
                          const GenerationOptions& options);

}  // namespace gesso::diffusion
