// Which positions of a canvas a step may keep.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "diffusion/canvas.h"

namespace gesso::diffusion {

// Positions in order of ascending entropy are accepted while the entropies of those before them sum to at most
// entropy_bound: (running sum including own) - own <= bound, in the reference's float32. The first is always accepted.
// Pinned positions count as accepted and spend nothing. entropies [C], nats; returns [C] of 0 and 1.
std::vector<uint8_t> accept(const Canvas& canvas, std::span<const float> entropies, float entropy_bound);

}  // namespace gesso::diffusion
