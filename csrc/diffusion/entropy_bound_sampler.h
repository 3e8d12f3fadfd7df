// Chooses the positions of a canvas that a step accepts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "diffusion/canvas.h"

namespace gesso::diffusion {

// Positions are taken in the order of rising entropy. A position is accepted if the entropies of those before it sum to
// at most entropy_bound: (running sum including own) - own <= bound, in float32 as in the reference. So the first one
// is always accepted. Example: with the bound 0.1, of the entropies 0.03, 0.04, 0.05 and 0.2 the first three are
// accepted, but the fourth is not, since the others before it sum to 0.12. Pinned positions count as accepted, and
// their entropies as 0.   entropies [C], nats; returns [C] of 0 and 1.
std::vector<uint8_t> accept(const Canvas& canvas, std::span<const float> entropies, float entropy_bound);

}  // namespace gesso::diffusion
