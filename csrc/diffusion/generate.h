// The generation loop: encode, denoise a canvas until it settles, commit it, go on.
#pragma once

#include <span>

#include "core/context.h"
#include "gesso/generation.h"
#include "model/activations.h"
#include "model/sequence.h"
#include "model/weights.h"

namespace gesso::diffusion {

// Continues every sequence (each has at least one token) and appends to its ids what was generated, up to and without
// the first end token. Sequences whose canvas has settled wait, frozen, for the others; sequences with an end token are
// done. The only memory of size C x V is one matrix per sequence.
// ArgumentError for bad options or when prompt and canvases do not fit the context. After an exception the caller
// rewinds the sequences: canvases may have been committed before it.
GenerationResult generate(const Context& context, const ModelConfig& config, const model::Weights& weights,
                          std::span<model::Sequence> sequences, const GenerationOptions& options,
                          model::Activations& activations);

}  // namespace gesso::diffusion
