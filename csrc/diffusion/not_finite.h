// Finds the part of the model where the numbers of a denoising step stop being finite.
#pragma once

#include "gesso/error.h"
#include "model/denoise.h"
#include "model/sequence.h"

namespace gesso::diffusion {

// A canvas whose step gave numbers that are not finite.
struct BrokenStep {
  const model::Sequence& sequence;
  model::DenoiseRequest request;  // as it was in the step; its text is in the cache by now
  ConstMatrix soft_embedding;     // [C, D], as it was in the step; not read without self-conditioning
  int64_t row = 0;                // a position of the canvas whose statistics or logits are not finite
  int64_t index = 0;              // of the sequence in the batch
  int64_t canvas = 0, step = 0;   // as in StepEvent
};

// Runs the step again for this canvas alone, and looks at the numbers after each part. Returns the error to throw.
// Where the canvas is broken by what it reads of the text before it, the text is encoded again in the same way, so the
// error names the part that broke first. The pass scratch is overwritten. Interrupted may be thrown instead.
NumericsError find_not_finite(const model::PassContext& pass, const BrokenStep& broken);

}  // namespace gesso::diffusion
