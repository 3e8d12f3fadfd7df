// The grid of IQ1_S and IQ1_M, and how a point of it is decoded to elements.
#pragma once

#include "quant/codebooks/iq1_grid_codes.h"
#include "quant/codebooks/iq_grid.h"

namespace gesso::quant {

GESSO_DEVICE_TABLE constexpr auto kIQ1Grid = unpack_grid<8>(kIQ1GridCodes, {-1, 0, 1});
inline constexpr float kIQ1Delta = 0.125f;

// out[j] = scale * (point[j] + delta). This is exact in float32: the scale has 11 + 4 bits and the sum has 4, 19 in
// all.
GESSO_DEVICE inline void decode_iq1_point(int point, float scale, float delta, float* __restrict out) {
  for (int j = 0; j < 8; ++j) out[j] = scale * (static_cast<float>(kIQ1Grid[point][j]) + delta);
}

}  // namespace gesso::quant
