// What IQ1_S and IQ1_M share: the grid, and how a point becomes elements.
#pragma once

#include "quant/codebooks/iq1_grid_codes.h"
#include "quant/codebooks/iq_grid.h"

namespace gesso::quant {

GESSO_DEVICE_TABLE constexpr auto kIQ1Grid = unpack_grid<8>(kIQ1GridCodes, {-1, 0, 1});
inline constexpr float kIQ1Delta = 0.125f;

// out[j] = scale * (point[j] + delta). Exact in float32: the scale has 11 + 4 bits, the sum 4.
GESSO_DEVICE inline void decode_iq1_point(int point, float scale, float delta, float* __restrict out) {
  for (int j = 0; j < 8; ++j) out[j] = scale * (static_cast<float>(kIQ1Grid[point][j]) + delta);
}

}  // namespace gesso::quant
