// The generation loop: encode, denoise a canvas until it settles, commit it, go on.
#pragma once

#include <span>

#include "gesso/generation.h"
#include "model/pass_context.h"
#include "model/sequence.h"

namespace gesso::diffusion {

// Continues every sequence (each has at least one token) and appends to its ids what was generated, up to and without
// the first end token. Sequences whose canvas has settled wait, frozen, for the others; sequences with an end token are
// done. No memory of size C x V is used: what a sequence keeps from step to step is its soft embedding, C x D floats.
// ArgumentError for bad options or when prompt and canvases do not fit the context. After an exception the caller
// rewinds the sequences: canvases may have been committed before it.
GenerationResult generate(const model::PassContext& pass, std::span<model::Sequence> sequences,
                          const GenerationOptions& options);

}  // namespace gesso::diffusion
